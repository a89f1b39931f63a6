// The map of the word on show as a relief to turn: the photo lies over a surface as high as the attention, on the
// caption's one scale, so that a flat map is flat.

const RELIEF_START = { yaw: -0.5, pitch: 0.6, zoom: 1 };
const RELIEF_MORPH = 380; // milliseconds from one word's surface to the next
const RELIEF_TURN = 0.35; // radians a second, when it turns by itself
const RELIEF_STEP = 0.15; // radians an arrow key turns it
const ZOOM_STEP = 1.15;
let lastRelief = null; // a browser keeps few drawings on the card: the one before is given back

function mountRelief(desk) {
  const { size } = desk.maps;
  const mesh = makeMesh(size);
  const relief = {
    desk, mesh, heights: null, drawer: null, frame: null, started: 0, turned: 0, turning: false,
    frameBox: make("div", "sw-relief-frame"),
    scene: { eye: { ...RELIEF_START }, from: null, to: null, way: 1, lift: 0.5, colours: true, grid: false, cells: [desk.maps.width, desk.maps.height] },
  };
  const peak = make("p", "sw-relief-peak");
  const words = reliefWords(desk);
  const canvas = reliefCanvas(relief);
  relief.ask = () => {
    if (relief.frame === null) relief.frame = requestAnimationFrame((now) => drawRelief(relief, now));
  };
  desk.on(["caption", "word", "hover", "blend"], () => {
    if (!desk.word()) return;
    raise(relief);
    const word = desk.word();
    relief.canvas.setAttribute("aria-label", desk.t("relief_alt", { map: desk.mapText(word) }));
    const highest = relief.heights.reduce((most, height) => Math.max(most, height), 0) * desk.top();
    peak.replaceChildren(...filledWith(desk.t("relief_peak"), { word: spoken(word.word), peak: percent(highest), top: percent(desk.top()) }));
  });
  desk.on(["panel"], () => relief.ask());
  loadReliefPhoto(relief);
  new ResizeObserver(() => fitRelief(relief)).observe(relief.frameBox);
  relief.frameBox.append(canvas);
  return make("div", "sw-relief", [help(desk.t("relief_help")), words, relief.frameBox,
    make("div", "sw-relief-side", [peak, reliefControls(relief), help(desk.t("relief_keys"))])]);
}

// The caption's words above the relief, since those at the top of the page are out of sight here.
function reliefWords(desk) {
  const list = make("div", "sw-relief-words", null, { role: "group", "aria-label": desk.t("caption_label") });
  desk.on(["caption"], () => {
    list.replaceChildren(...desk.caption().words.map((word, index) => button("sw-relief-word", word.word, { "data-index": index, lang: CAPTION_LANGUAGE })));
  });
  listenToWords(desk, list);
  return list;
}

function reliefCanvas(relief) {
  relief.canvas = make("canvas", "sw-relief-canvas", null, { role: "img", tabindex: "0" });
  listenToTurns(relief, relief.canvas);
  return relief.canvas;
}

// Set off from the surface as it stands towards the one of the word on show.
function raise(relief) {
  const { desk, mesh, scene } = relief;
  const layer = desk.maps.layerOf(desk.word().map, desk.state.blend);
  relief.heights = heightsOf(mesh, layer, desk.maps.size, desk.top());
  const next = slopesOf(mesh, relief.heights);
  const still = !scene.to || calm() || desk.state.panel !== "relief";
  scene.from = still ? next : scene.to.map((value, i) => scene.from[i] + (value - scene.from[i]) * scene.way);
  scene.to = next;
  scene.way = still ? 1 : 0;
  relief.started = performance.now();
  relief.ask();
}

function drawRelief(relief, now) {
  const { scene } = relief;
  relief.frame = null;
  if (!relief.drawer || !scene.to || relief.desk.state.panel !== "relief" || !relief.canvas.isConnected) return;
  if (scene.way < 1) {
    const share = Math.min(1, Math.max(0, (now - relief.started) / RELIEF_MORPH));
    scene.way = share * share * (3 - 2 * share);
  }
  if (relief.turning) scene.eye.yaw += RELIEF_TURN * Math.min(0.1, Math.max(0, (now - relief.turned) / 1000));
  relief.turned = now;
  relief.drawer.draw(scene);
  const settled = scene.way === 1 && !relief.turning;
  relief.canvas.dataset.settled = String(settled);
  if (!settled) relief.ask();
}

function loadReliefPhoto(relief) {
  const photo = make("img", null, null, { src: relief.desk.view.photo.address, alt: "" });
  photo.decode().then(() => {
    if (lastRelief) lastRelief.free();
    relief.photo = photo;
    startRelief(relief, drawWithCard);
  }, () => undefined);
}

// With the card where there is one, else with the pen; a canvas that has served the one cannot serve the other.
function startRelief(relief, way) {
  const { mesh, photo, desk, canvas } = relief;
  relief.drawer = way(canvas, mesh, photo, desk.maps.colours);
  lastRelief = relief.drawer;
  if (relief.drawer) {
    canvas.dataset.drawer = relief.drawer.name;
    fitRelief(relief);
  }
  if (way !== drawWithCard) return;
  const withPen = () => {
    if (lastRelief !== relief.drawer) return; // given back on purpose
    const fresh = reliefCanvas(relief);
    fresh.setAttribute("aria-label", canvas.getAttribute("aria-label") || "");
    canvas.replaceWith(fresh);
    startRelief(relief, drawWithPen);
  };
  if (!relief.drawer) withPen();
  else canvas.addEventListener("webglcontextlost", withPen);
}

function fitRelief(relief) {
  const box = relief.frameBox.getBoundingClientRect();
  if (!box.width) return;
  const sharp = Math.min(2, window.devicePixelRatio || 1);
  relief.canvas.width = Math.round(box.width * sharp);
  relief.canvas.height = Math.round(box.height * sharp);
  relief.ask();
}
