// The attention health of the model behind the page: a light with its reason in words, asked for once the page is open.

const HEALTH_PAUSE = 2000; // milliseconds until the next question, while the model loads
const HEALTH_QUESTIONS = 150;
const FINDINGS = ["black", "same_caption", "same_maps", "flat_maps", "endless", "silent"];

// ask: puts a question to the server. heard: called with every answer. Gives what makes the light for a desk.
function makeHealth(ask, heard) {
  let known = { state: "loading", findings: [], model: "" };
  let answered = false;
  const told = new Set();

  async function find() {
    for (let turn = 0; turn < HEALTH_QUESTIONS && known.state === "loading"; turn += 1) {
      if (turn) await new Promise((resolve) => window.setTimeout(resolve, HEALTH_PAUSE));
      const answer = await ask({ kind: "health" });
      if (answer && answer.kind === "health") known = answer;
      answered = true;
      tell();
      heard();
    }
  }
  function tell() {
    for (const listener of [...told]) if (!listener()) told.delete(listener);
  }
  find().catch(() => {
    known = { ...known, state: "unknown" };
    tell();
    heard();
  });

  const reasons = (t) => FINDINGS.filter((name) => known.findings.includes(name)).map((name) => t(`health_${name}`));

  // Draws now and whenever more is known, as long as the node is on the page.
  function keep(node, draw) {
    const listener = () => {
      if (!node.isConnected) return false;
      draw();
      return true;
    };
    draw();
    told.add(listener);
    return node;
  }

  return {
    loading: () => answered && known.state === "loading",
    // One line: a light and what it means.
    line(desk) {
      const title = make("strong", "sw-health-title");
      const reason = make("span");
      const node = make("p", "sw-health", [make("span", "sw-light", null, { "aria-hidden": "true" }), make("span", null, [title, " ", reason])], { role: "status" });
      return keep(node, () => {
        node.dataset.state = known.state;
        node.hidden = known.state === "unknown";
        title.textContent = desk.t(`health_${known.state}`);
        reason.textContent = known.state === "bad" ? reasons(desk.t).join(" ") : desk.t(`health_${known.state}_reason`);
      });
    },
    // Above the caption, where something is wrong with the model.
    warning(desk) {
      const node = make("p", "sw-sick");
      return keep(node, () => {
        node.hidden = known.state !== "bad";
        node.textContent = known.state === "bad" ? `${desk.t("health_bad")} ${reasons(desk.t).join(" ")}` : "";
      });
    },
  };
}
