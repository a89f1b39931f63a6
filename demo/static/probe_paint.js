// Experiments that are painted: where the model must look, and what is erased from the photo. Both end in the old and the
// new caption side by side (compare_show.js), which can be put on show and taken back.

const BRUSH = 1.2; // cells around the pointer that a stroke takes
const LASSO_STEP = 0.004; // of the photo's sides, between two points of an outline

// The photo to paint on: a canvas over it that is told of strokes. paint(context, size) draws what is there now.
function makeProbeEasel(desk, label, { start, move, end, key, paint }) {
  const { size } = desk.maps;
  const canvas = make("canvas", "sw-probe-canvas", null, { width: size.width, height: size.height, tabindex: 0, role: "application", "aria-label": label });
  const photo = make("img", "sw-probe-photo", null, { src: desk.view.photo.address, alt: "" });
  const holder = make("div", "sw-probe-easel", [photo, canvas]);
  holder.style.setProperty("--sw-ratio", size.width / size.height);
  let drawing = false;
  const draw = () => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, size.width, size.height);
    paint(context, size);
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [within((event.clientX - box.left) / box.width, 0, 1), within((event.clientY - box.top) / box.height, 0, 1)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    start(at(event));
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    move(at(event));
    draw();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    if (!drawing) return;
    drawing = false;
    end();
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    if (!key || !key(event)) return;
    event.preventDefault();
    draw();
  });
  draw();
  return { holder, draw };
}

// Old and new side by side, and a way to put the new one on show.
function toldAgain(desk, test, result) {
  const keep = button("sw-button", desk.t("probe_keep"));
  keep.addEventListener("click", () => desk.follow({ ...result, experiment: test }));
  const memory = { second: { view: result, mirrored: false, same: true }, column: null, titles: ["probe_before", "probe_after"] };
  return [mountSideBySide(desk, memory), make("div", "sw-probe-act", [keep])];
}

// What is painted, and what came of it.
function besideEachOther(nodes, runner) {
  const [act, ...came] = runner.nodes;
  return [make("div", "sw-probe-both", [make("div", "sw-probe-side", [...nodes, act]), make("div", "sw-probe-side", came)])];
}

// Brush the gaze: cells to look at, for the word on show or for all of them.
function mountGaze(desk) {
  const { width, height, total } = desk.maps;
  const weights = new Float32Array(total);
  let cursor = Math.floor(height / 2) * width + Math.floor(width / 2);
  let keys = false; // the cell of the arrow keys is shown once they are used
  const dab = ([x, y], reach = BRUSH) => {
    for (let cell = 0; cell < total; cell += 1) {
      const away = Math.hypot(x * width - (cell % width) - 0.5, y * height - Math.floor(cell / width) - 0.5);
      if (away <= reach) weights[cell] = 1;
    }
  };
  const paint = (context, size) => {
    const [across, down] = [size.width / width, size.height / height];
    weights.forEach((weight, cell) => {
      const place = [(cell % width) * across, Math.floor(cell / width) * down, across, down];
      if (weight) {
        context.fillStyle = "rgba(255, 196, 40, 0.6)";
        context.fillRect(...place);
      }
      if (keys && cell === cursor) {
        context.lineWidth = 4;
        context.strokeStyle = "#fff";
        context.strokeRect(...place);
      }
    });
  };
  const key = (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return false;
    keys = true;
    if (move) cursor = within(Math.floor(cursor / width) + move[1], 0, height - 1) * width + within((cursor % width) + move[0], 0, width - 1);
    else weights[cursor] = weights[cursor] ? 0 : 1;
    return true;
  };
  const easel = makeProbeEasel(desk, desk.t("probe_gaze_canvas"), { start: dab, move: dab, end: () => undefined, key, paint });
  const clear = button("sw-button", desk.t("probe_clear"));
  clear.addEventListener("click", () => {
    weights.fill(0);
    easel.draw();
  });
  const when = make("select", "sw-speed", ["all", "word"].map((name) => make("option", null, desk.t(`probe_gaze_${name}`, { word: wordOnShow(desk) }), { value: name })), { "aria-label": desk.t("probe_gaze_when") });
  desk.on(["caption", "word"], () => { when.options[1].textContent = desk.t("probe_gaze_word", { word: wordOnShow(desk) }); });
  const rows = () => Array.from({ length: height }, (_, row) => Array.from(weights.subarray(row * width, (row + 1) * width)));
  const runner = makeRunner(desk, "gaze", {
    label: () => desk.t("probe_gaze_go"),
    question: () => ({ weights: rows(), step: when.value === "word" ? desk.state.word : null }),
    show: ({ result, rate }) => [
      ...toldAgain(desk, "gaze", result),
      ...(rate ? [help(desk.t("probe_gaze_rate", { always: percent(rate.always), once: percent(rate.once), elsewhere: percent(rate.elsewhere), photos: rate.photos }))] : []),
    ],
  });
  return besideEachOther([make("div", "sw-probe-tools", [when, clear]), easel.holder, help(desk.t("probe_gaze_keys"))], runner);
}

// The box around the cells that hold half of a word's attention, as an outline.
function outlineOfWord(desk) {
  const { width, height } = desk.maps;
  const word = desk.caption().words[desk.state.word];
  const cells = halfOf(desk.maps.weightsOf(word.map));
  const [columns, rows] = [cells.map((cell) => cell % width), cells.map((cell) => Math.floor(cell / width))];
  const [left, right] = [Math.min(...columns) / width, (Math.max(...columns) + 1) / width];
  const [top, bottom] = [Math.min(...rows) / height, (Math.max(...rows) + 1) / height];
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

// What the maps promised against what went.
function outlookText(desk, { words, inside, lost }) {
  const half = Math.max(...inside) / 2;
  const on = words.map((_, index) => index).filter((index) => inside[index] >= half);
  const off = words.map((_, index) => index).filter((index) => inside[index] < half);
  const gone = (places) => places.filter((index) => lost[index]).length;
  return desk.t("probe_erase_outlook", { on_lost: gone(on), on: on.length, off_lost: gone(off), off: off.length });
}

// Erase and tell again: an outline drawn around something.
function mountErase(desk) {
  let outline = [];
  const paint = (context, size) => {
    if (!outline.length) return;
    context.beginPath();
    outline.forEach(([x, y], place) => context[place ? "lineTo" : "moveTo"](x * size.width, y * size.height));
    context.closePath();
    context.fillStyle = "rgba(20, 20, 20, 0.55)";
    context.fill();
    context.lineWidth = 3;
    context.strokeStyle = "#fff";
    context.stroke();
  };
  const easel = makeProbeEasel(desk, desk.t("probe_erase_canvas"), {
    start: (point) => { outline = [point]; },
    move: (point) => {
      const last = outline.at(-1);
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= LASSO_STEP) outline.push(point);
    },
    end: () => undefined,
    paint,
  });
  const [looked, clear] = ["probe_erase_looked", "probe_clear"].map((name) => button("sw-button", aboutWord(desk, name)));
  desk.on(["caption", "word"], () => looked.replaceChildren(...aboutWord(desk, "probe_erase_looked")));
  looked.addEventListener("click", () => {
    outline = outlineOfWord(desk);
    easel.draw();
  });
  clear.addEventListener("click", () => {
    outline = [];
    easel.draw();
  });
  const fill = make("select", "sw-speed", ["inpaint", "flat"].map((name) => make("option", null, desk.t(`probe_erase_${name}`), { value: name })), { "aria-label": desk.t("probe_erase_fill") });
  const runner = makeRunner(desk, "erase", {
    label: () => desk.t("probe_erase_go"),
    question: () => ({ outline, fill: fill.value }),
    watched: ["caption"],
    show: ({ result, outlook }) => [make("p", "sw-verdict", outlookText(desk, outlook)), ...toldAgain(desk, "erase", result)],
  });
  return besideEachOther([make("div", "sw-probe-tools", [looked, fill, clear]), easel.holder], runner);
}
