// The viewer: one result in, everything else in the browser. `mountViewer` knows nothing of Gradio; the last lines of
// the page's script (demo/page.py) connect the two, and a saved page (see page_file.js) does without it.

// texts: language -> key -> sentence. ask: puts a question to the server and promises its answer, or null without one.
// kit: the script and style a saved page is made of.
function mountViewer(root, texts, ask, kit) {
  const tongue = makeTongue(texts, root);
  let shown = null; // the view on show
  let state = null; // what of it is on show, and in which way; null where there is no result
  let past = []; // the views before it that led here, to go back to

  function say(kind, title, lines, more = []) {
    const box = make("div", `sw-message sw-${kind}`, [make("strong", null, title), ...lines.map((line) => make("p", null, line)), ...more]);
    if (kind === "problem") box.setAttribute("role", "alert");
    root.replaceChildren(box);
  }

  // On a phone the result lies below the photo box: bring it into sight.
  function reveal() {
    if (root.getBoundingClientRect().top < window.innerHeight / 4) return;
    root.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  }

  // Opens a saved record where there is no result yet.
  function openerWithout(words) {
    const open = (view) => {
      shown = view;
      draw();
    };
    return recordOpener({ t: (key, values) => fill(words[key], values), ask, sentence: tongue.sentence, show: open, photo: null });
  }

  function draw(before) {
    const words = tongue.texts();
    leaveProjector(root);
    root.lang = tongue.language();
    root.dataset.kind = shown ? (shown.recorded ? "recorded" : shown.kind) : "empty";
    root.dataset.waiting = words.waiting; // shown by the stylesheet while the server is busy
    state = null;
    if (!shown) return say("empty", words.empty_title, words.empty_text.split("|"), [openerWithout(words)]);
    if (shown.kind === "problem") return say("problem", words.problem_title, [tongue.sentence(shown.message)]);
    const desk = makeDesk(shown, words, ask);
    desk.root = root;
    desk.follow = (view) => {
      past.push({ view: shown, state: { ...desk.state }, scroll: window.scrollY });
      shown = view;
      draw(carriedOver(desk.state, view));
      const banner = root.querySelector(".sw-given");
      if (banner) banner.focus();
    };
    desk.back = past.length ? back : null;
    desk.before = past.length ? past[past.length - 1] : null;
    desk.sentence = tongue.sentence;
    desk.texts = texts;
    desk.kit = kit;
    if (before) desk.change({ ...before, playing: false, held: false });
    state = desk.state;
    root.replaceChildren(...layOut(desk));
    return undefined;
  }

  function back() {
    const before = past.pop();
    shown = before.view;
    draw(before.state);
    const tab = root.querySelector('.sw-tab[aria-selected="true"]');
    if (tab) tab.focus({ preventScroll: true });
    window.scrollTo({ top: before.scroll, behavior: "instant" });
  }

  tongue.listen(() => draw(state));
  return function show(next) {
    shown = next;
    past = [];
    draw();
    if (next && next.kind === "result" && !next.recorded) reveal();
    if (next && next.kind === "problem") reveal();
  };
}

// What a visitor has set that holds for another result too.
function carriedOver({ width, power, blend, plain, panel }, view) {
  if (!view.ranking[width]) return { power, blend, plain, panel };
  const caption = rankCaptions(view, width, power)[0];
  return { width, power, blend, plain, panel, caption, word: view.captions[caption].first };
}

// The whole result.
function layOut(desk) {
  const { view } = desk;
  const notes = make("div", "sw-notes", [
    ...(view.recorded ? [make("p", "sw-note", desk.t("recorded"))] : []),
    ...(view.guessing ? [make("p", "sw-guessing", desk.t("guessing"))] : []),
    ...mountGiven(desk),
  ]);
  const head = make("header", "sw-head", [
    make("div", "sw-top-row", [notes, mountClassroom(desk)]),
    mountCaption(desk),
    make("div", "sw-hint", [mountPlayer(desk), make("span", null, desk.t("caption_hint")), mountFacts(desk)]),
  ]);
  const look = make("div", "sw-look", [make("div", "sw-frame", [mountStage(desk)]), mountGuess(desk), mountGuessResult(desk), mountNow(desk), mountRegion(desk), make("div", "sw-legend", [mountStyles(desk), mountLegend(desk)]), mountClaim(desk)]);
  const body = make("div", "sw-body", [look, make("div", "sw-side", [mountWord(desk), mountBeam(desk)]), mountPanels(desk)]);
  return [head, body, make("p", "sw-model", desk.t(view.trained_on ? "model" : "model_name", { model: view.model, trained_on: view.trained_on }))];
}
