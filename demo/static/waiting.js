// What the visitor sees of a photo on its way to a caption. While it is under way, and while the queue is full, the photo
// lies over the result that was on show; otherwise one line lies above it. Nothing of that result is lost.

const COVERING = ["looking", "full"];
const ALARMS = ["full", "lost"]; // said at once by a screen reader, the others when it has time

// What is said: the keys of a title, of a line below it, and of the buttons.
const ERRAND_WORDS = {
  looking: ({ ahead, share, slow, loading }) => ({
    title: loading ? "errand_loading" : "waiting",
    more: share !== null ? "errand_sending" : ahead ? (ahead === 1 ? "errand_ahead_one" : "errand_ahead") : loading ? "errand_loading_more" : slow && "errand_slow",
    ways: ["stop"],
  }),
  full: ({ seconds }) => ({ title: "errand_full", more: seconds ? "errand_full_in" : "errand_full_later", ways: ["again", "stop"] }),
  stopped: () => ({ title: "errand_stopped", ways: ["again", "close"] }),
  lost: ({ photo }) => ({
    title: photo && !photo.path ? "toast_lost" : "errand_lost", more: photo && "errand_lost_more", ways: photo ? ["again", "close"] : ["close"],
  }),
};

// deeds: {stop, again, close}, what the buttons do.
function makeWaitingRoom(texts, deeds) {
  const status = make("p", "sw-errand-title", "", { role: "status" });
  const alarm = make("p", "sw-errand-title", "", { role: "alert" });
  const place = make("p", "sw-errand-more", "", { role: "status" });
  const clock = make("p", "sw-errand-more", ""); // counts down; not read out every second
  const ways = Object.fromEntries(Object.keys(deeds).map((name) => {
    const way = button(name === "close" ? "sw-errand-close" : "sw-button", "", { "data-errand-way": name });
    way.addEventListener("click", deeds[name]);
    return [name, way];
  }));
  const head = make("div", "sw-errand-head", [
    make("div", "sw-errand-words", [status, alarm, place, clock]), make("div", "sw-errand-ways", Object.values(ways)),
  ]);
  const body = make("div", "sw-errand-body");
  const layer = make("section", "sw-errand", [head, body], { "aria-label": "" });
  let pictured = null; // the photo in the body

  function say(node, said, nodes = [said]) {
    if (node.textContent !== said) node.replaceChildren(...nodes);
  }

  // state: {kind, photo, ahead, slow, loading, seconds, said}; see makeErrands.
  function draw(state) {
    const t = (key) => (key ? fill(texts()[key], { count: state.ahead, share: percent(state.share), seconds: state.seconds, caption: state.said }) : "");
    const words = state.kind ? ERRAND_WORDS[state.kind](state) : { title: state.said && "errand_done", ways: [] };
    const alarming = ALARMS.includes(state.kind);
    const counting = state.kind === "full";
    layer.setAttribute("aria-label", texts().errand_label);
    layer.dataset.errand = state.kind || "none";
    layer.classList.toggle("sw-errand-over", COVERING.includes(state.kind));
    layer.classList.toggle("sw-errand-bar", Boolean(state.kind) && !COVERING.includes(state.kind));
    status.classList.toggle("sw-said", !state.kind);
    if (state.kind) say(status, alarming ? "" : t(words.title));
    else say(status, t(words.title), words.title ? filledWith(texts()[words.title], { caption: spoken(state.said) }) : []);
    say(alarm, alarming ? t(words.title) : "");
    say(place, counting ? "" : t(words.more));
    say(clock, counting ? t(words.more) : "");
    for (const [name, way] of Object.entries(ways)) {
      say(way, name === "close" ? "×" : t(`errand_${name}`));
      way.hidden = !words.ways.includes(name);
    }
    ways.close.ariaLabel = texts().errand_close;
    const shown = COVERING.includes(state.kind) ? state.photo : null;
    if (shown !== pictured) body.replaceChildren(...(shown ? picturePhoto(shown) : []));
    pictured = shown;
  }
  return { layer, head, draw };
}

// The photo in the place and the size in which its result will stand, and where the numbers will be.
function picturePhoto(photo) {
  const image = make("img", "sw-errand-photo", null, { alt: "" });
  const stage = make("div", "sw-errand-stage", [image, make("span", "sw-errand-light"), make("span", "sw-errand-line")]);
  image.addEventListener("load", () => {
    stage.style.setProperty("--sw-ratio", image.naturalWidth / image.naturalHeight);
    stage.classList.add("sw-errand-seen");
  });
  image.addEventListener("error", () => image.remove()); // a kind of photo this browser cannot show
  image.src = photo.url || "";
  const side = make("div", "sw-errand-side", [make("span"), make("span")], { "aria-hidden": "true" });
  return [make("div", "sw-errand-frame", [stage]), side];
}
