// Test this map: experiments on the caption and the word on show. Each asks the model one thing, and says in one sentence
// what came out; the numbers are a click away.

const PROBES = {
  seen: mountSeen, // probe_words.js
  map: mountMatter,
  second: mountSecond, // probe_maps.js
  boxes: mountBoxCheck,
  gaze: mountGaze, // probe_paint.js
  erase: mountErase,
  shuffled: mountShuffled,
};

// Puts one experiment to the model. Gives its answer, or a problem with a sentence to show.
async function askProbe(desk, test, values) {
  const photo = desk.view.source || { url: desk.view.photo.address };
  const words = captionWords(desk.caption());
  try {
    const answer = await desk.ask({ kind: "probe", test, photo, words, preset: desk.view.preset, ...values });
    if (answer && answer.kind === test) return answer;
    return { problem: answer && answer.message ? desk.sentence(answer.message) : desk.t("unreachable") };
  } catch (lost) {
    return { problem: desk.t("unreachable") };
  }
}

// A button that runs an experiment, what is said meanwhile, and the place for what came out. An answer to a question
// that has been overtaken by another, or by another caption or word, is not shown.
// label: () -> what is on the button, text or nodes. question: () -> values of the question, or null when there is nothing
// to ask yet. show: answer -> nodes.
function makeRunner(desk, test, { label, question, show, watched = ["caption", "word"] }) {
  const go = button("sw-button sw-probe-go", [label()].flat());
  const status = make("p", "sw-probe-status", null, { role: "status" });
  const refusal = make("p", "sw-refusal", null, { role: "alert" });
  const result = make("div", "sw-probe-result", null, { "aria-live": "polite" });
  let turn = 0;

  function clear() {
    turn += 1;
    status.textContent = "";
    refusal.textContent = "";
    result.replaceChildren();
    go.disabled = false;
    go.replaceChildren(...[label()].flat());
  }
  async function run() {
    const values = question();
    if (!values) return;
    clear();
    const now = turn;
    go.disabled = true;
    status.textContent = desk.t("probe_waiting");
    const answer = await askProbe(desk, test, values);
    if (now !== turn || !result.isConnected) return;
    go.disabled = false;
    status.textContent = "";
    if (answer.problem) refusal.textContent = answer.problem;
    else result.replaceChildren(...show(answer));
  }
  go.addEventListener("click", run);
  desk.on(watched, clear);
  return { go, run, nodes: [make("div", "sw-probe-act", [go, status]), refusal, result], refuse: (sentence) => { refusal.textContent = sentence; } };
}

// A small picture of weights on the photo. top: the weight of the strongest colour.
function probeTile(desk, weights, top, title, label) {
  const { size } = desk.maps;
  const canvas = make("canvas", "sw-tile-map", null, { role: "img", "aria-label": label, width: size.width, height: size.height });
  const layer = desk.maps.spread(weights, desk.state.blend < 0 ? 0 : desk.state.blend);
  canvas.getContext("2d").drawImage(paintLayer(layer, size, desk.maps.colours, top), 0, 0);
  const photo = make("img", "sw-tile-photo", null, { src: desk.view.photo.address, alt: "" });
  const frame = make("span", "sw-tile-frame", [photo, canvas]);
  frame.style.aspectRatio = `${size.width} / ${size.height}`;
  return make("figure", "sw-probe-tile", [frame, make("figcaption", null, [title])]);
}

function nats(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function wordOnShow(desk) {
  const word = desk.caption().words[desk.state.word];
  return word ? word.word : "";
}

// A text about the word on show, as nodes.
function aboutWord(desk, key) {
  return filledWith(desk.t(key), { word: spoken(wordOnShow(desk)) });
}

function mountProbe(desk) {
  const sections = Object.entries(PROBES).map(([name, mount]) => {
    const nodes = mount(desk);
    return nodes && make("section", "sw-panel sw-probe", [make("h3", null, desk.t(`probe_${name}`)), help(desk.t(`probe_${name}_help`)), ...nodes], { "data-probe": name });
  });
  return make("div", "sw-probes", [help(desk.t("probe_intro")), ...sections.filter(Boolean)]);
}
