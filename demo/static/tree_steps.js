// The search step by step: play it, scrub through it, read what happened at each word; the key to the drawing; and the
// whole search in words, for those who do not see the drawing.

const STEP_TIME = 1100; // milliseconds a step stays at speed 1

// The buttons that play the search, and the function that stops them at a step.
function mountTreePlayer(desk, tree) {
  const play = button("sw-button sw-play", desk.t("play"));
  const speeds = SPEEDS.map((speed) => make("option", null, desk.t("speed_value", { speed }), { value: speed }));
  const pick = make("select", "sw-speed", speeds, { "aria-label": desk.t("speed") });
  pick.value = "1";
  let timer = null;
  const show = () => {
    play.textContent = desk.t(timer === null ? "play" : "pause");
    play.setAttribute("aria-pressed", String(timer !== null));
  };
  const stopAt = (step) => {
    window.clearTimeout(timer);
    timer = null;
    show();
    desk.change({ treeStep: Math.min(tree().last, Math.max(0, step)) });
  };
  const next = () => {
    const gone = !play.isConnected || play.offsetParent === null; // another panel, another photo
    if (gone || desk.state.treeStep >= tree().last) return stopAt(desk.state.treeStep);
    desk.change({ treeStep: desk.state.treeStep + 1 });
    return wait();
  };
  const wait = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(next, STEP_TIME / Number(pick.value));
  };
  play.addEventListener("click", () => {
    if (timer !== null) return stopAt(desk.state.treeStep);
    if (desk.state.treeStep >= tree().last) desk.change({ treeStep: 0 });
    wait();
    return show();
  });
  pick.addEventListener("change", () => timer !== null && wait());
  desk.on(["treeWidth"], () => timer !== null && stopAt(tree().last));
  return { nodes: [play, pick], stopAt };
}

function mountTreeSteps(desk, tree) {
  const player = mountTreePlayer(desk, tree);
  const move = (by) => player.stopAt(desk.state.treeStep + by);
  const [previous, next] = [["‹", "tree_previous", -1], ["›", "tree_next", 1]].map(([sign, key, by]) => {
    const node = button("sw-button sw-tree-step", sign, { "aria-label": desk.t(key), title: desk.t(key) });
    node.addEventListener("click", () => move(by));
    return node;
  });
  const options = { min: 1, max: 1, step: 1, value: 1, className: "sw-tree-scrub" };
  const range = slider(desk.t("tree_steps"), options, (value) => player.stopAt(value - 1));
  const all = button("sw-button sw-tree-all", desk.t("tree_all"));
  const status = make("p", "sw-tree-status", null, { role: "status" });
  all.addEventListener("click", () => desk.change({ treeAll: !desk.state.treeAll, treeOpen: new Set() }));
  desk.on(["treeAll"], (state) => all.setAttribute("aria-pressed", String(Boolean(state.treeAll))));
  desk.on(["treeStep", "treeWidth"], (state) => {
    const now = Math.min(state.treeStep, tree().last);
    range.max = String(tree().last + 1);
    range.value = String(now + 1);
    range.setAttribute("aria-valuetext", desk.t("tree_step", { step: now + 1, total: tree().last + 1 }));
    previous.disabled = now === 0;
    next.disabled = now === tree().last;
    status.replaceChildren(...stepText(desk, tree(), now));
  });
  const scrubber = make("div", "sw-tree-scrubber", [previous, range, next]);
  return make("div", "sw-tree-steps", [make("div", "sw-tree-controls", [...player.nodes, scrubber, all]), status]);
}

// What happened at one step, in words.
function stepText(desk, tree, step) {
  const count = (fate) => tree.steps[step].filter((branch) => branch.fate === fate).length;
  const parts = [desk.t("tree_step", { step: step + 1, total: tree.last + 1 })];
  for (const fate of ["given", "kept", "finished", "cut", "pruned"]) {
    if (count(fate)) parts.push(desk.t(`count_${fate}`, { count: count(fate) }));
  }
  const nearest = tree.steps[step].filter((branch) => branch.fate === "pruned").sort((a, b) => a.margin - b.margin)[0];
  const missed = nearest ? [" ", ...filledWith(desk.t("nearest_miss"), { words: branchWords(desk, tree, nearest), margin: marginDigits(nearest.margin) })] : [];
  return [`${parts.join(" · ")}.`, ...missed];
}

function branchWords(desk, tree, branch) {
  const words = spoken(phrase(wordsOf(tree, branch)));
  return branch.word ? [words] : [words, ` ${desk.t("stop")}`];
}

function mountTreeKey(desk) {
  const entry = (name) => make("span", "sw-key", [make("span", `sw-key-sign sw-key-${name}`, null, { "aria-hidden": "true" }), make("span", null, desk.t(`key_${name}`))]);
  return make("div", "sw-tree-key", [...["path", "kept", "dead", "pruned", "finished", "fan"].map(entry), help(desk.t("tree_keys"))]);
}

// Every branch at every step, as a list; written when it is opened.
function mountTreeWords(desk, tree) {
  const list = make("ol", "sw-tree-list");
  const details = make("details", "sw-tree-words", [make("summary", null, desk.t("tree_words")), list]);
  const line = (branch) => make("li", null, [...branchWords(desk, tree(), branch), `: ${fateText(desk, branch)}`]);
  const write = () => {
    if (!details.open) return;
    list.replaceChildren(...tree().steps.map((branches, step) => make("li", null, [
      make("strong", null, stepText(desk, tree(), step)), make("ul", null, branches.map(line)),
    ])));
  };
  details.addEventListener("toggle", write);
  desk.on(["treeWidth"], write);
  return details;
}
