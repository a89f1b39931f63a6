// The viewer: one result in, everything else in the browser. `mountViewer` knows nothing of Gradio; the last lines of
// the page's script (demo/scripts.py) connect the two, and a saved page (see page_file.js) does without it.

// texts: language -> key -> sentence. ask: puts a question to the server and promises its answer, or null without one.
// kit: the script and style a saved page is made of. send: sends a photo to the server (queue.js), where there is one; the
// photos come from what is mounted on `box`.
function mountViewer(root, texts, ask, kit, send, box) {
  const tongue = makeTongue(texts, root);
  let shown = null; // the view on show
  let state = null; // what of it is on show, and in which way; null where there is no result
  let past = []; // the views before it that led here, to go back to
  let kept = null; // the result that a problem has taken the place of
  let preset; // how the next photo is searched; the server's own way until a visitor chooses
  let current = null; // the desk of what was shown last
  let restored = false; // the result on show was kept from before (kept.js)
  const version = send ? versionOf(kit.script) : null;
  const sendOn = (photo, told) => send(photo, preset, told);
  const health = send ? makeHealth(ask, () => errands.redraw()) : null;
  const giver = send ? makeGiver({ box, tongue, take, remove: () => errands.remove() }) : null;
  const errands = send ? makeErrands({ root, texts: tongue.texts, send: sendOn, loading: health.loading, show, refused: giver.say, reveal, covered: mark }) : null;
  const rooms = send ? makeRooms(tongue, ask) : null;
  const layers = send ? [errands.layer, rooms.layer, ...giver.layers] : []; // stay, whatever is on show
  root.append(...layers);
  if (rooms) rooms.comeIn();

  // Says for styles and tests what is on show.
  function mark() {
    const covering = errands && errands.covering();
    root.dataset.kind = covering || (shown ? (shown.recorded ? "recorded" : shown.kind) : "empty");
    if (!errands) return;
    const [pending, result] = [errands.pending(), shown && shown.kind === "result" && !shown.recorded];
    giver.picture(pending ? pending.url : result ? shown.photo.address : null);
  }

  function lay(nodes) {
    for (const node of [...root.children]) if (!layers.includes(node)) node.remove();
    root.append(...nodes);
  }

  function say(kind, title, lines, more = []) {
    const box = make("div", `sw-message sw-${kind}`, [make("strong", null, title), ...lines.map((line) => make("p", null, line)), ...more]);
    if (kind === "problem") box.setAttribute("role", "alert");
    lay([box]);
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
    mark();
    if (errands) errands.redraw();
    state = null;
    if (!shown) return say("empty", words.empty_title, words.empty_text.split("|"), [openerWithout(words)]);
    if (shown.kind === "problem") return say("problem", words.problem_title, [tongue.sentence(shown.message)], waysOn(words, shown.again && errands && errands.again, kept && beforeProblem));
    const desk = makeDesk(shown, words, errands ? askAbout(shown, ask, errands.findAgain) : ask);
    desk.root = root;
    desk.follow = (view) => {
      past.push({ view: shown, state: { ...desk.state }, scroll: window.scrollY });
      shown = view;
      draw(carriedOver(desk.state, view));
      const banner = root.querySelector(".sw-given");
      if (banner) banner.focus();
    };
    desk.swap = (view) => {
      preset = view.preset;
      shown = view;
      draw(carriedOver({ ...desk.state, power: view.normalisation }, view));
      root.querySelector(".sw-preset").focus({ preventScroll: true });
    };
    desk.health = health;
    desk.rooms = rooms;
    desk.back = past.length ? back : null;
    desk.before = past.length ? past[past.length - 1] : null;
    desk.sentence = tongue.sentence;
    desk.texts = texts;
    desk.kit = kit;
    desk.forget = restored ? () => show(null) : null;
    current = desk;
    if (before) desk.change({ ...before, playing: false, held: false });
    state = desk.state;
    lay(layOut(desk));
    keep();
    return undefined;
  }

  // From a problem back to the result before it.
  function beforeProblem() {
    ({ shown, past } = kept);
    draw(kept.state);
    root.querySelector('.sw-word[tabindex="0"]').focus({ preventScroll: true });
  }

  function back() {
    const before = past.pop();
    shown = before.view;
    draw(before.state);
    const tab = root.querySelector('.sw-tab[aria-selected="true"]');
    if (tab) tab.focus({ preventScroll: true });
    window.scrollTo({ top: before.scroll, behavior: "instant" });
  }

  function keep() {
    if (errands && state && !shown.recorded) keepResult(version, shown, state, past);
  }
  if (send) window.addEventListener("pagehide", keep);

  function take(photo) {
    if (current) current.change({ projector: false });
    errands.take(photo);
  }

  // Whether there was a result from before to show.
  function restore() {
    const before = keptResult(version);
    if (!before) return false;
    if (before.photo) {
      errands.take(photoFromFile(new File([addressBytes(before.photo)], "photo.jpg", { type: "image/jpeg" })));
      return false;
    }
    restored = true;
    ({ view: shown, past } = before);
    draw(before.state);
    return true;
  }

  tongue.listen(() => draw(state));
  function show(next) {
    if (!next) forgetResult();
    restored = false;
    if (!next || next.kind !== "problem") kept = null;
    else if (shown && shown.kind === "result") kept = { shown, state, past };
    shown = next;
    past = [];
    draw();
    if (next && next.kind === "result" && !next.recorded) reveal();
    if (next && next.kind === "problem") reveal();
  }
  return Object.assign(show, errands && { restore, take, untaken: errands.untaken });
}

// The ways on from a problem: once more, where that may help, and back, where there is a result to go back to.
function waysOn(words, again, before) {
  const ways = Object.entries({ errand_again: again, errand_before: before }).filter(([, deed]) => deed).map(([key, deed]) => {
    const way = button("sw-button", words[key]);
    way.addEventListener("click", deed);
    return way;
  });
  return ways.length ? [make("div", "sw-ways", ways)] : [];
}

// Says that a result was kept, and forgets it.
function keptNote(desk) {
  const forget = button("sw-button", desk.t("kept_forget"));
  forget.addEventListener("click", desk.forget);
  return make("p", "sw-kept", [make("span", null, desk.t("kept")), forget]);
}

// The ways in which a photo is given: the box, the camera, a drop or a paste anywhere; and the sentence that says why one
// was not taken.
function makeGiver({ box, tongue, take, remove }) {
  const t = (key, values) => fill(tongue.texts()[key] || key, values);
  const notice = makeNotice(t);
  const { say } = notice;
  const given = (file) => {
    notice.hide();
    if (camera.node.open) camera.node.close();
    take(photoFromFile(file));
  };
  const camera = makeCamera({ t, take: given, say });
  const picture = mountPhotoBox(box, { take: given, remove, camera: camera.open, say });
  listenForPhotos({ take: given, say, box });
  tongue.listen(notice.draw);
  return { say, picture, layers: [camera.node, notice.node] };
}

// What a visitor has set that holds for another result too.
function carriedOver({ width, power, blend: wanted, plain, panel }, view) {
  const blend = isStretched(view) ? wanted : Math.max(0, wanted);
  if (!view.ranking[width]) return { power, blend, plain, panel };
  const caption = rankCaptions(view, width, power)[0];
  return { width, power, blend, plain, panel, caption, word: view.captions[caption].first };
}

// The whole result.
function layOut(desk) {
  const { view } = desk;
  const notes = make("div", "sw-notes", [
    ...(view.recorded ? [make("p", "sw-note", desk.t("recorded"))] : []),
    ...(desk.forget ? [keptNote(desk)] : []),
    ...(desk.health ? [desk.health.warning(desk)] : []),
    ...(view.preview ? [make("p", "sw-note sw-preview", desk.t("preview_only"))] : []),
    ...(view.guessing ? [make("p", "sw-guessing", desk.t("guessing"))] : []),
    ...(view.without_gpu ? [make("p", "sw-note sw-without-gpu", desk.t("without_gpu"))] : []),
    ...mountGiven(desk),
  ]);
  const foreign = desk.root.lang === CAPTION_LANGUAGE ? [] : [make("span", "sw-caption-language", desk.t("caption_language"))];
  const hint = make("div", "sw-hint", [mountPlayer(desk), make("span", null, desk.t("caption_hint")), ...foreign, mountFacts(desk)]);
  const head = make("header", "sw-head", [notes, mountCaption(desk), make("div", "sw-bar-row", [hint, mountWhich(desk), mountClassroom(desk)])]);
  const look = make("div", "sw-look", [make("div", "sw-frame", [mountStage(desk)]), mountGuess(desk), mountGuessResult(desk), mountNow(desk), mountRegion(desk), make("div", "sw-legend", [mountStyles(desk), mountLegend(desk)]), mountClaim(desk)]);
  const body = make("div", "sw-body", [look, make("div", "sw-side", [mountWord(desk), mountBeam(desk)]), mountPanels(desk)]);
  const model = make("p", null, filledWith(desk.t(view.trained_on ? "model" : "model_name"), { model: view.model, trained_on: spoken(view.trained_on) }));
  return [head, body, make("footer", "sw-model", [model, ...(desk.health ? [desk.health.line(desk)] : [])])];
}
