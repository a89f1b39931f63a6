// Point before you see: the maps are hidden, everyone marks where they would look for the word, then the map comes and a
// sentence compares.

const GUESS = "guess"; // what desk.state.tool says while this part takes the clicks on the photo
const NUDGE = 0.02; // of the photo's side, one arrow key; with Shift five times that
const FLAT = 0.45; // of all cells; a map that needs as many for half of its attention looks everywhere alike
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

// Where a map looks most: the fewest cells that hold half of its attention, the strongest first. None where it looks
// everywhere alike: which cells these are would be chance.
function lookedCells(maps, index) {
  const weights = maps.weightsOf(index);
  const even = weights.reduce((sum, weight) => sum + weight, 0) / maps.total;
  const half = halfOf(weights);
  if (half.length >= FLAT * maps.total) return [];
  return half.filter((place) => weights[place] >= even).map((place) => ({ row: Math.floor(place / maps.width), column: place % maps.width }));
}

// For each mark, how many cells it is from the nearest of those where the map looks most.
function marksApart(maps, looked, marks) {
  const steps = (cell, other) => Math.max(Math.abs(cell.row - other.row), Math.abs(cell.column - other.column));
  return marks.map((mark) => Math.min(...looked.map((other) => steps(cellAt(maps, mark), other))));
}

// The boxes drawn by hand around the things that a word names.
function boxesFor(desk, word) {
  const found = (desk.view.boxes || {})[word.toLowerCase()] || [];
  return found.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
}

// Whether a cell has a part of some box: maps and marks are no finer than cells.
function onBoxes({ left, top, right, bottom }, boxes) {
  return boxes.some((box) => left < box.right && right > box.left && top < box.bottom && bottom > box.top);
}

// The one verdict: the marks against where the model looked most.
function verdictOf(desk, looked, apart) {
  const within = apart.filter((cells) => cells === 0).length;
  if (!looked.length) return desk.t("guess_flat");
  if (apart.length === 1) return desk.t({ 0: "guess_same", 1: "guess_beside" }[apart[0]] || "guess_other");
  const key = within === apart.length ? "guess_all" : within ? "guess_some" : "guess_no";
  return desk.t(key, { within, count: apart.length });
}

// Where the thing itself is, if somebody drew it, with the marks and the model's attention measured by the same cells.
function thingSentence(desk, word, marks) {
  const { maps } = desk;
  const boxes = boxesFor(desk, word.word);
  if (!boxes.length) return [];
  const inside = marks.filter((mark) => onBoxes(cellAround(maps, mark), boxes)).length;
  const weights = maps.weightsOf(word.map);
  const middle = (place) => ({ x: ((place % maps.width) + 0.5) / maps.width, y: (Math.floor(place / maps.width) + 0.5) / maps.height });
  const share = weights.reduce((sum, weight, place) => sum + (onBoxes(cellAround(maps, middle(place)), boxes) ? weight : 0), 0);
  const key = marks.length > 1 ? "guess_thing_several" : inside ? "guess_thing_on" : "guess_thing_beside";
  return [filledWith(desk.t(key), { word: spoken(word.word), share: percent(share), inside, count: marks.length })];
}

// What a comparison says, a line each: the verdict with what it was measured by, and where the thing itself is.
function compareSentences(desk, word, marks) {
  if (!marks.length) return [desk.t("guess_none")];
  const looked = lookedCells(desk.maps, word.map);
  const apart = marksApart(desk.maps, looked, marks);
  const nearest = Math.min(...apart);
  const line = [make("strong", "sw-guess-verdict", verdictOf(desk, looked, apart))];
  if (looked.length) line.push(" ", desk.t("guess_measure", { half: looked.length, total: desk.maps.total }));
  if (looked.length && nearest > 1) line.push(" ", desk.t("guess_away", { cells: nearest }));
  return [line, ...thingSentence(desk, word, marks)];
}

function guessWord(desk) {
  return desk.caption().words[desk.state.word];
}

function placed(className, region, text) {
  const node = make("div", className, text, { lang: CAPTION_LANGUAGE });
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

// The outline around the cells where the map looks most: a side of a cell is drawn where its neighbour is none of them.
function lookedNode({ width, height }, looked) {
  const has = (row, column) => looked.some((cell) => cell.row === row && cell.column === column);
  return make("div", "sw-looked", looked.map(({ row, column }) => {
    const node = placed("sw-looked-cell", { left: column / width, top: row / height, right: (column + 1) / width, bottom: (row + 1) / height });
    const open = { top: has(row - 1, column), right: has(row, column + 1), bottom: has(row + 1, column), left: has(row, column - 1) };
    for (const side of Object.keys(open).filter((name) => open[name])) node.style.setProperty(`border-${side}-width`, 0);
    return node;
  }));
}

// What lies over the photo: the marks, and once the map is shown where it looks most and the boxes drawn for the word.
function markNodes(desk) {
  const { veiled, marks } = desk.state;
  const word = guessWord(desk);
  const shown = veiled || !word ? [] : [
    ...boxesFor(desk, word.word).map((box) => placed("sw-drawn", box, word.word)),
    lookedNode(desk.maps, lookedCells(desk.maps, word.map)),
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

// Bring what lies from one node to another into sight, if it is not.
function bringIntoSight(first, last) {
  if (first.getBoundingClientRect().top >= 0 && last.getBoundingClientRect().bottom <= window.innerHeight) return;
  first.scrollIntoView({ block: first === last ? "nearest" : "start", behavior: calm() ? "auto" : "smooth" });
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
    desk.root.classList.toggle("sw-pointing", !bar.hidden);
    if (bar.hidden) return;
    const word = guessWord(desk);
    question.replaceChildren(...filledWith(desk.t(state.veiled ? "guess_question" : "guess_answer"), { word: spoken(word ? word.word : "") }));
    count.textContent = desk.t(state.marks.length === 1 ? "guess_mark" : "guess_marks", { count: state.marks.length });
    undo.disabled = !state.veiled || !state.marks.length;
    show.textContent = desk.t(state.veiled ? "guess_show" : "guess_again");
  });
  desk.on(["tool"], (state) => state.tool === GUESS && requestAnimationFrame(() => layer.focus({ preventScroll: true })));
  desk.on(["tool", "veiled", "word"], (state) => state.veiled && requestAnimationFrame(() => bringIntoSight(bar, desk.stage)));
  return bar;
}

// What the comparison says, below the photo.
function mountGuessResult(desk) {
  const box = make("div", "sw-guess-result", null, { "aria-live": "polite" });
  desk.on(["tool", "veiled", "marks"], (state) => {
    const word = state.tool === GUESS && !state.veiled && guessWord(desk);
    const lines = word ? compareSentences(desk, word, state.marks) : [];
    box.replaceChildren(...lines.map((line) => make("p", null, line)));
    if (word) requestAnimationFrame(() => bringIntoSight(box, box));
  });
  return box;
}
