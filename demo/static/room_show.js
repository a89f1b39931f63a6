// What everybody in a room sees: the word asked for and the photo to point at; then the class map, and the model's.

const FEW_POINTS = 5; // below, a correlation is mostly chance
const ROOM_TITLES = { point: "guess_question", class: "room_title_class", model: "room_title_both" };

function roomScreen(kit) {
  const { t, line } = kit;
  const { room } = line;
  const title = make("h2", "sw-room-title", null, { "aria-live": "polite", tabindex: "-1" });
  const pictures = makeRoomPictures(kit);
  const lines = make("div", "sw-room-lines", null, { "aria-live": "polite" });
  const told = make("p", "sw-room-told", "", { role: "alert" });
  const ways = room.teaching ? teacherParts(kit) : pupilParts(kit);
  const node = make("div", "sw-room-all", [
    make("div", "sw-room-main", [title, pictures.node, lines]), make("div", "sw-room-side", [...ways.nodes, told]),
  ]);
  const pointer = !room.teaching && !window.matchMedia("(pointer: coarse)").matches; // a finger needs no crosshair
  let read = "";
  function draw() {
    const { state } = line;
    if (!state) return;
    const said = t(ROOM_TITLES[state.phase], { word: state.word });
    if (title.textContent !== said) title.replaceChildren(...filledWith(t(ROOM_TITLES[state.phase]), { word: spoken(state.word) }));
    node.dataset.phase = state.phase;
    pictures.draw();
    const sentences = roomSentences(kit);
    if (read !== sentences.join("\n")) lines.replaceChildren(...sentences.map((sentence) => make("p", null, sentence)));
    read = sentences.join("\n");
    told.textContent = line.lost ? t("unreachable") : kit.sentence(line.problem);
    ways.draw(node);
  }
  return { node, draw, focus: () => (pointer ? pictures.aim : title).focus({ preventScroll: true }) };
}

// The sentences below the pictures.
function roomSentences({ t, line }) {
  const { state, room } = line;
  if (state.phase === "point") return room.teaching ? [t("room_wait")] : [t(pictureOwn(line) ? "room_marked" : "room_tap")];
  if (!state.pointed) return [t("room_nobody")];
  if (state.phase === "class") return [t("room_points", { count: state.pointed })];
  const { within: inside, pointed, half, expected, correlation } = state.agreement;
  const [rows, columns] = room.view.grid;
  const values = { within: inside, pointed, half, total: rows * columns, expected: expected.toFixed(expected < 1 ? 2 : 1) };
  const few = pointed < FEW_POINTS ? ` ${t("room_few")}` : "";
  return [t("room_within", values), alikeSentence(t, correlation) + few, t("room_scale"), t("claim")];
}

function alikeSentence(t, correlation) {
  if (correlation === null) return t("room_flat");
  const r = signed(correlation);
  if (correlation >= 0.5) return t("room_alike", { r });
  if (correlation >= 0.2) return t("room_partly", { r });
  return t(correlation > -0.2 ? "room_unlike" : "room_apart", { r });
}

// The pupil's mark: the one on its way to the server before the one that it knows.
function pictureOwn({ state, wanted }) {
  return wanted || (state.own && { x: state.own[0], y: state.own[1] });
}

function makeRoomPictures(kit) {
  const { t, line } = kit;
  const maps = readMaps(line.room.view);
  const ratio = maps.size.width / maps.size.height;
  const node = make("div", "sw-room-pictures");
  node.style.setProperty("--sw-ratio", ratio);
  const pointing = roomPicture(kit, "");
  const ours = roomPicture(kit, t("room_class_map"), maps);
  const theirs = roomPicture(kit, t("room_model_map"), maps);
  const aim = listenToPupil(kit, pointing);
  let drawn = "";
  function draw() {
    const { state } = line;
    const own = pictureOwn(line);
    const now = `${state.phase} ${state.version} ${state.lessons}`;
    const shown = { point: [pointing], class: [ours], model: [ours, theirs] }[state.phase];
    if (drawn !== now) {
      node.replaceChildren(...shown.map((picture) => picture.node));
      node.dataset.count = String(shown.length);
      if (state.class_map) ours.paint(state.class_map, t("room_class_alt", { word: state.word, count: state.pointed }));
      if (state.model_map) theirs.paint(state.model_map, t("room_model_alt", { word: state.word }));
      drawn = now;
    }
    for (const picture of shown) picture.mark(own);
  }
  return { node, draw, aim };
}

// The photo with a map on it, or without one, and the pupil's own mark.
function roomPicture({ line, t }, name, maps) {
  const { photo } = line.room.view;
  const image = make("img", "sw-photo", null, { src: photo.address, alt: t("room_photo") });
  const canvas = maps && make("canvas", "sw-map", null, { role: "img", width: maps.size.width, height: maps.size.height });
  const marks = make("div", "sw-marks-shown", null, { "aria-hidden": "true" });
  const picture = make("div", "sw-picture", [image, ...(canvas ? [canvas] : []), marks]);
  const stage = make("div", `sw-stage ${maps ? "" : "sw-no-map"}`.trim(), [picture]);
  return {
    node: make("figure", "sw-room-picture", [...(name ? [make("figcaption", null, name)] : []), stage]),
    stage,
    picture,
    paint({ fractions, peak }, said) {
      const layer = maps.spread(decodeFractions(fractions, peak), 1);
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(paintLayer(layer, maps.size, maps.colours, layer.reduce((top, weight) => Math.max(top, weight), 0)), 0, 0);
      canvas.setAttribute("aria-label", said);
    },
    mark: (own) => marks.replaceChildren(...(own ? [putAt(make("span", "sw-mark sw-room-mark"), own)] : [])),
  };
}

// A pupil points by a tap or by the crosshair; the last point wins, and points go to the server one after the other.
function listenToPupil({ t, line }, { stage, picture }) {
  if (line.room.teaching) return stage;
  const layer = make("div", "sw-marks", null, { tabindex: "0", role: "application", "aria-label": t("room_keys") });
  let sending = false;
  const open = () => Boolean(line.state) && line.state.phase === "point";
  async function add(mark) {
    line.point(mark);
    if (sending) return;
    sending = true;
    while (line.wanted && open()) {
      const { wanted } = line;
      await line.put({ kind: "room_point", place: line.state.place, point: [wanted.x, wanted.y] });
      if (line.wanted === wanted) line.point(null);
    }
    sending = false;
  }
  listenToTaps({ stage, picture }, open, add);
  listenToAim(layer, open, add, () => undefined);
  picture.append(layer);
  return layer;
}

function pupilParts({ t, line }) {
  const leave = button("sw-button", t("room_leave"));
  leave.addEventListener("click", () => line.leave());
  const count = make("span", "sw-room-count");
  return {
    nodes: [count, make("span", "sw-room-small", t("room_named", { code: line.room.code })), leave],
    draw: () => {
      count.textContent = countSentence(t, line.state);
    },
  };
}

function countSentence(t, { present, pointed }) {
  if (!present) return t("room_empty");
  return t("room_count", { present, pointed });
}
