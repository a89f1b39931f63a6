// Two photos side by side: the second is chosen or made here, the model is asked once, and everything is shown by
// compare_show.js. All of it is kept in desk.state.comparison, which outlives a new drawing of the page.

const COMPARE_FIRST = { change: "compare_first_change", file: "compare_first_file", example: "compare_first_example" };

function newComparison() {
  return {
    way: "change",
    paint: { edits: [], tool: "frame", size: 0.06, colour: "#808080", frame: { x: 0.3, y: 0.3, width: 0.4, height: 0.4 } },
    file: "",
    example: null,
    turn: 0, // counts the questions asked: an answer to an older one is not shown
    waiting: false,
    problem: "", // a sentence of the server's, or a key of the texts
    problemOf: "", // what was chosen when it came: a new choice takes it away
    second: null, // {view, mirrored, same}
    column: null, // of the aligned words
    refresh: () => {}, // draws the panel that is there now
  };
}

function choiceOf({ way, paint, file, example }) {
  return [way, paint.edits.length, file instanceof File ? file.name : file.length, example].join(" ");
}

function setProblem(memory, problem) {
  memory.problem = problem;
  memory.problemOf = choiceOf(memory);
}

// Ask, unless cancelled meanwhile; a failure leaves what was there.
async function askForSecond(desk, memory, taken) {
  memory.turn += 1;
  const { turn } = memory;
  memory.waiting = true;
  memory.problem = "";
  memory.refresh();
  let answer = null;
  try {
    answer = await desk.ask(taken.question);
  } catch (lost) {
    answer = lost instanceof Refusal ? { message: desk.t(lost.key, lost.values) } : null;
  }
  if (turn !== memory.turn) return;
  memory.waiting = false;
  if (answer && answer.kind === "result") {
    memory.second = { view: answer, mirrored: taken.mirrored, same: taken.same };
    memory.column = null;
  } else setProblem(memory, (answer && answer.message) || "unreachable");
  memory.refresh();
}

function cancelSecond(memory) {
  memory.turn += 1;
  memory.waiting = false;
  setProblem(memory, "compare_cancelled");
  memory.refresh();
}

function mountCompare(desk) {
  if (!desk.state.comparison) desk.change({ comparison: newComparison() });
  const memory = desk.state.comparison;
  const go = button("sw-button sw-compare-go", desk.t("compare_go"));
  const cancel = button("sw-button", desk.t("compare_cancel"));
  const progress = make("progress", "sw-compare-progress", null, { "aria-label": desk.t("compare_waiting") });
  const status = make("p", "sw-compare-status", null, { role: "status" });
  const refusal = make("p", "sw-refusal", null, { role: "alert" });
  const result = make("div", "sw-compare-result");
  const pick = mountPick(desk, memory, () => {
    if (!memory.problem || memory.problemOf === choiceOf(memory)) return;
    memory.problem = "";
    memory.refresh();
  });
  let drawn = null;
  memory.refresh = () => {
    go.disabled = memory.waiting;
    for (const node of [cancel, progress]) node.hidden = !memory.waiting;
    status.textContent = memory.waiting ? desk.t("compare_waiting") : "";
    refusal.textContent = memory.problem && desk.sentence(desk.t(memory.problem));
    if (drawn === memory.second) return;
    drawn = memory.second;
    result.replaceChildren(...(drawn ? [mountSideBySide(desk, memory)] : []));
  };
  go.addEventListener("click", () => {
    const taken = pick.take();
    if (taken) return void askForSecond(desk, memory, taken);
    setProblem(memory, COMPARE_FIRST[memory.way]);
    return memory.refresh();
  });
  cancel.addEventListener("click", () => {
    cancelSecond(memory);
    go.focus();
  });
  memory.refresh();
  return make("div", "sw-compare", [
    help(desk.t("compare_help")), pick.node, make("div", "sw-compare-act", [go, cancel, progress, status]), refusal, result,
  ]);
}
