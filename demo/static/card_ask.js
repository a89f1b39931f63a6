// The numbers of "From photo to word": asked from the server when a card needs them, one question at a time, and kept.

const ANSWERS_KEPT = 80; // some tens of kilobytes each

// What a card needs, as a question about the word now chosen.
function boxQuestion(desk, needs) {
  const photo = desk.view.source || { url: desk.view.photo.address };
  if (needs === "stages") return { kind: "stages", photo };
  const words = captionWords(desk.caption());
  return { kind: "inside", photo, words: words.slice(0, desk.state.word), word: words[desk.state.word] || "" };
}

// changed: called when an answer has come.
function makeNumbers(desk, changed) {
  const kept = new Map(); // a question's words -> {answer} or {problem}
  let wanted = null; // the newest question, put when the one under way is answered
  let running = false;
  const keyOf = (question) => [question.kind, ...(question.words || []), question.word || ""].join(" ");

  async function put(question) {
    try {
      const answer = await desk.ask(question);
      if (answer && answer.kind === question.kind) return { answer };
      return { problem: answer && answer.kind === "problem" ? desk.sentence(answer.message) : desk.t("unreachable") };
    } catch (problem) {
      return { problem: desk.t("unreachable") };
    }
  }
  async function run() {
    if (running) return;
    running = true;
    while (wanted && desk.stage.isConnected) {
      const question = wanted;
      wanted = null;
      const found = await put(question);
      if (kept.size >= ANSWERS_KEPT) kept.delete(kept.keys().next().value);
      kept.set(keyOf(question), found);
      changed();
    }
    running = false;
  }

  return {
    // {answer}, {problem: a sentence}, {waiting: true} or, where there is no server, {absent: true}.
    look(needs) {
      if (!needs) return {};
      if (!desk.ask) return { absent: true };
      const question = boxQuestion(desk, needs);
      const found = kept.get(keyOf(question));
      if (found) return found;
      wanted = question;
      run();
      return { waiting: true };
    },
    forget(needs) {
      kept.delete(keyOf(boxQuestion(desk, needs)));
    },
  };
}
