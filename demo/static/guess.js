// Point before you see: the maps are hidden, everyone marks where they would look for the word, then the map comes and a
// sentence compares.

const GUESS = "guess"; // what desk.state.tool says while this part takes the clicks on the photo
const NUDGE = 0.02; // of the photo's side, one arrow key; with Shift five times that
const TAP = 16; // pixels a finger may move and still place a mark

function startGuess(desk) {
  desk.change({ tool: GUESS, marks: [], veiled: true, plain: false, playing: false, beside: false, hover: null, glimpse: null, panel: "words" });
}

function stopGuess(desk) {
  desk.change({ tool: null, marks: [], veiled: false });
}

function cellAt(maps, point) {
  const cell = cellAround(maps, point);
  return { row: Math.round(cell.top * maps.height), column: Math.round(cell.left * maps.width) };
}

// How few cells hold half of a map's attention: those cells, the highest first.
function halfOf(weights) {
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]);
  const half = weights.reduce((sum, weight) => sum + weight, 0) / 2;
  let [sum, count] = [0, 0];
  while (count < order.length && sum < half) {
    sum += weights[order[count]];
    count += 1;
  }
  return order.slice(0, Math.max(1, count));
}

// The marks against a map: `ratio` of their cells' mean attention to an even spread, cells from the nearest mark to the
// highest cell, marks within the cells that hold half of the attention.
function compareMarks(maps, index, marks) {
  const weights = maps.weightsOf(index);
  const half = halfOf(weights);
  const highest = { row: Math.floor(half[0] / maps.width), column: half[0] % maps.width };
  const cells = marks.map((mark) => cellAt(maps, mark));
  const places = cells.map((cell) => cell.row * maps.width + cell.column);
  const even = weights.reduce((sum, weight) => sum + weight, 0) / maps.total;
  return {
    highest,
    ratio: marks.length ? places.reduce((sum, place) => sum + weights[place], 0) / marks.length / even : 0,
    distance: Math.min(...cells.map((cell) => Math.max(Math.abs(cell.row - highest.row), Math.abs(cell.column - highest.column)))),
    within: places.filter((place) => half.includes(place)).length,
    half: half.length,
  };
}

function boxesFor(desk, word) {
  const found = (desk.view.boxes || {})[word.toLowerCase()] || [];
  return found.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
}

function isInside(region, point) {
  return point.x >= region.left && point.x <= region.right && point.y >= region.top && point.y <= region.bottom;
}

// The sentences of a comparison, the one about the drawn box only where there is one.
function compareSentences(desk, word, marks) {
  if (!marks.length) return [desk.t("guess_none")];
  const found = compareMarks(desk.maps, word.map, marks);
  const far = { 0: "guess_hit", 1: "guess_near" }[found.distance] || "guess_far";
  const values = {
    count: marks.length, times: times(found.ratio), distance: desk.t(far, { cells: found.distance }),
    within: found.within, half: found.half, total: desk.maps.total,
  };
  const key = marks.length > 1 ? "guess_several" : found.within ? "guess_one_in" : "guess_one_out";
  const boxes = boxesFor(desk, word.word);
  const inside = marks.filter((mark) => boxes.some((box) => isInside(box, mark))).length;
  const sum = (measure) => percent(boxes.reduce((all, box) => all + measure(box), 0));
  const about = { word: word.word, area: sum(areaOf), share: sum((box) => massInside(desk.maps, word.map, box)), inside, count: marks.length };
  return [desk.t(key, values), ...(boxes.length ? [desk.t("guess_box", about)] : [])];
}

function guessWord(desk) {
  return desk.caption().words[desk.state.word];
}

function placed(className, region, text) {
  const node = make("div", className, text);
  node.style.inset = `${100 * region.top}% ${100 - 100 * region.right}% ${100 - 100 * region.bottom}% ${100 * region.left}%`;
  return node;
}

// Several fingers at once may place marks; one that scrolls or drags places none.
function listenToTaps(desk, open, add) {
  const downs = new Map();
  desk.stage.addEventListener("pointerdown", (event) => open() && !event.button && downs.set(event.pointerId, [event.clientX, event.clientY]));
  desk.stage.addEventListener("pointercancel", (event) => downs.delete(event.pointerId));
  desk.stage.addEventListener("pointerup", (event) => {
    const down = downs.get(event.pointerId);
    downs.delete(event.pointerId);
    if (down && open() && Math.hypot(event.clientX - down[0], event.clientY - down[1]) <= TAP) add(pointOn(desk.picture, event));
  });
}

function putAt(node, point) {
  Object.assign(node.style, { left: `${100 * point.x}%`, top: `${100 * point.y}%` });
  return node;
}

// What lies over the photo: the marks, and once the map is shown its highest cell and the boxes drawn for the word.
function markNodes(desk) {
  const { veiled, marks } = desk.state;
  const word = guessWord(desk);
  const shown = veiled || !word ? [] : [
    ...boxesFor(desk, word.word).map((box) => placed("sw-drawn", box, word.word)),
    placed("sw-highest", cellAround(desk.maps, highestPoint(desk, word))),
  ];
  return [...shown, ...marks.map((mark, index) => putAt(make("span", "sw-mark", String(index + 1)), mark))];
}

// A crosshair on the photo's layer, which arrow keys move; Enter adds what it points at, Backspace undoes.
function listenToAim(layer, open, add, undo) {
  const cross = make("span", "sw-cross");
  let aim = { x: 0.5, y: 0.5 };
  layer.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!open() || event.ctrlKey || event.altKey || event.metaKey) return;
    if (way) {
      const step = NUDGE * (event.shiftKey ? 5 : 1);
      aim = { x: within(aim.x + way[0] * step, 0, 1), y: within(aim.y + way[1] * step, 0, 1) };
      putAt(cross, aim);
    } else if (event.key === "Enter" || event.key === " ") add(aim);
    else if (event.key === "Backspace") undo();
    else return;
    event.preventDefault();
  });
  layer.append(putAt(cross, aim));
}

// The layer over the photo: marks by pointer, or by the crosshair.
function mountMarks(desk) {
  const marks = make("div", "sw-marks-shown", null, { "aria-hidden": "true" });
  const layer = make("div", "sw-marks", [marks], { tabindex: "0", role: "application", "aria-label": desk.t("guess_keys") });
  const open = () => desk.state.tool === GUESS && desk.state.veiled;
  const add = (mark) => desk.change({ marks: [...desk.state.marks, mark] });
  listenToTaps(desk, open, add);
  listenToAim(layer, open, add, () => desk.change({ marks: desk.state.marks.slice(0, -1) }));
  desk.on(["tool", "marks", "veiled", "word", "caption"], (state) => {
    layer.hidden = state.tool !== GUESS;
    marks.replaceChildren(...(layer.hidden ? [] : markNodes(desk)));
  });
  desk.picture.append(layer);
  return layer;
}

function highestPoint(desk, word) {
  const { row, column } = compareMarks(desk.maps, word.map, []).highest;
  return { x: (column + 0.5) / desk.maps.width, y: (row + 0.5) / desk.maps.height };
}

// To the word before and after, ready to point.
function wordButtons(desk, layer) {
  return [["guess_last", -1, "←"], ["guess_next", 1, "→"]].map(([key, way, sign]) => {
    const node = button("sw-button", sign, { "aria-label": desk.t(key), title: desk.t(key) });
    node.addEventListener("click", () => {
      desk.setWord(desk.state.word + way);
      layer.focus({ preventScroll: true });
    });
    return node;
  });
}

// The question above the photo, with what to do.
function mountGuess(desk) {
  const layer = mountMarks(desk);
  const question = make("strong", "sw-guess-question", null, { "aria-live": "polite" });
  const count = make("span", "sw-guess-count", null, { role: "status" });
  const undo = button("sw-button", desk.t("undo"), { "aria-label": desk.t("guess_undo") });
  const show = button("sw-button sw-guess-show", desk.t("guess_show"));
  const [last, next] = wordButtons(desk, layer);
  const bar = make("div", "sw-guess", [question, count, make("div", "sw-guess-deeds", [last, undo, show, next])], { role: "group", "aria-label": desk.t("guess") });
  undo.addEventListener("click", () => desk.change({ marks: desk.state.marks.slice(0, -1) }));
  show.addEventListener("click", () => desk.change(desk.state.veiled ? { veiled: false, plain: false } : { veiled: true, marks: [] }));
  bar.addEventListener("keydown", (event) => event.key === "Escape" && leave(event));
  layer.addEventListener("keydown", (event) => event.key === "Escape" && leave(event));
  const leave = (event) => {
    event.preventDefault();
    stopGuess(desk);
  };
  desk.on(["caption", "word"], (state) => state.tool === GUESS && desk.change({ marks: [], veiled: true }));
  desk.on(["tool", "marks", "veiled", "word", "caption"], (state) => {
    bar.hidden = state.tool !== GUESS;
    desk.root.classList.toggle("sw-veiled", Boolean(state.veiled));
    if (bar.hidden) return;
    const word = guessWord(desk);
    question.textContent = desk.t(state.veiled ? "guess_question" : "guess_answer", { word: word ? word.word : "" });
    count.textContent = desk.t(state.marks.length === 1 ? "guess_mark" : "guess_marks", { count: state.marks.length });
    undo.disabled = !state.veiled || !state.marks.length;
    show.textContent = desk.t(state.veiled ? "guess_show" : "guess_again");
  });
  desk.on(["tool"], (state) => state.tool === GUESS && requestAnimationFrame(() => layer.focus({ preventScroll: true })));
  return bar;
}

// What the comparison says, below the photo.
function mountGuessResult(desk) {
  const box = make("div", "sw-guess-result", null, { "aria-live": "polite" });
  desk.on(["tool", "veiled", "marks"], (state) => {
    const word = state.tool === GUESS && !state.veiled && guessWord(desk);
    box.replaceChildren(...(word ? compareSentences(desk, word, state.marks).map((line) => make("p", null, line)) : []));
  });
  return box;
}
