// The photo changed by hand: a frame to cut out or to fill, a brush, a mirror. Everything is a list of edits (edits.js),
// kept in `memory` so that a new drawing of the page loses none of them.

const FRAME_STEP = 0.02; // of the photo, that an arrow key moves the frame
const LEAST_FRAME = 0.04; // of the photo, a side
const TOOLS = ["frame", "brush"];

// A place on a node as fractions of it, inside it.
function placeOn(node, event) {
  const box = node.getBoundingClientRect();
  const inside = (value) => Math.min(1, Math.max(0, value));
  return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
}

function frameBetween([x, y], [otherX, otherY]) {
  const [left, top] = [Math.min(x, otherX), Math.min(y, otherY)];
  const [width, height] = [Math.abs(x - otherX), Math.abs(y - otherY)].map((side) => Math.max(LEAST_FRAME, side));
  return { x: Math.min(left, 1 - width), y: Math.min(top, 1 - height), width, height };
}

// A frame after an arrow key: moved, or with Shift resized.
function pushFrame(frame, key, resize) {
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key].map((way) => way * FRAME_STEP);
  const hold = (value, low, high) => Math.min(high, Math.max(low, value));
  if (resize) {
    const [width, height] = [hold(frame.width + x, LEAST_FRAME, 1 - frame.x), hold(frame.height + y, LEAST_FRAME, 1 - frame.y)];
    return { ...frame, width, height };
  }
  return { ...frame, x: hold(frame.x + x, 0, 1 - frame.width), y: hold(frame.y + y, 0, 1 - frame.height) };
}

// memory: {edits, tool, size, colour, frame}. onChange is called after every change.
function mountEditor(desk, memory, onChange) {
  const holder = make("div", "sw-easel");
  const frame = make("div", "sw-easel-frame", null, { "aria-hidden": "true" });
  const said = make("p", "sw-said", null, { role: "status" });
  let image = null;
  let canvas = null;

  function redraw() {
    if (!image) return;
    const size = { width: image.naturalWidth, height: image.naturalHeight };
    canvas = applyEdits(image, size, memory.edits);
    canvas.className = "sw-easel-photo";
    for (const [name, value] of Object.entries({ tabindex: 0, role: "img", "aria-label": desk.t("paint_photo"), "aria-describedby": "sw-easel-keys" })) canvas.setAttribute(name, value);
    const focused = holder.contains(document.activeElement);
    holder.replaceChildren(canvas, frame);
    holder.style.setProperty("--sw-ratio", canvas.width / canvas.height);
    if (focused) canvas.focus({ preventScroll: true });
    showFrame();
  }
  function showFrame() {
    const { x, y, width, height } = memory.frame;
    Object.assign(frame.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%` });
    frame.hidden = memory.tool !== "frame";
  }
  const editor = {
    holder,
    said,
    memory,
    canvas: () => canvas,
    moveFrame(next) {
      memory.frame = next;
      showFrame();
    },
    sayFrame() {
      const names = ["x", "y", "width", "height"].map((name) => [name, `${Math.round(100 * memory.frame[name])} %`]);
      said.textContent = desk.t("paint_at", Object.fromEntries(names));
    },
    use(tool) {
      memory.tool = tool;
      showFrame();
      onChange();
    },
    add(edit) {
      memory.edits = [...memory.edits, edit];
      if (edit.kind === "crop") memory.frame = { x: 0.25, y: 0.25, width: 0.5, height: 0.5 };
      redraw();
      onChange();
    },
    setEdits(edits) {
      memory.edits = edits;
      redraw();
      onChange();
    },
    apply: (kind) => editor.add({ kind, box: memory.frame, colour: memory.colour }),
  };
  listenToEasel(editor);
  loadImage(desk.view.photo.address).then((loaded) => {
    image = loaded;
    redraw();
    onChange();
  });
  return editor;
}

function listenToEasel(editor) {
  const { holder, memory } = editor;
  let from = null;
  let stroke = null;
  holder.addEventListener("pointerdown", (event) => {
    const canvas = editor.canvas();
    if (!canvas || !event.isPrimary || event.button) return;
    holder.setPointerCapture(event.pointerId);
    from = placeOn(canvas, event);
    stroke = memory.tool === "brush" ? { kind: "stroke", points: [from], size: memory.size, colour: memory.colour } : null;
    if (stroke) drawStroke(canvas, stroke);
    event.preventDefault();
    canvas.focus({ preventScroll: true });
  });
  holder.addEventListener("pointermove", (event) => {
    if (!from) return;
    const at = placeOn(editor.canvas(), event);
    if (!stroke) return void editor.moveFrame(frameBetween(from, at));
    drawStroke(editor.canvas(), { ...stroke, points: [stroke.points.at(-1), at] });
    stroke.points.push(at);
  });
  const end = () => {
    if (!from) return;
    from = null;
    if (stroke) editor.add(stroke);
    else editor.sayFrame();
    stroke = null;
  };
  for (const name of ["pointerup", "pointercancel"]) holder.addEventListener(name, end);
  holder.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) {
      if (memory.tool !== "frame") editor.use("frame");
      editor.moveFrame(pushFrame(memory.frame, event.key, event.shiftKey));
      editor.sayFrame();
    } else if (event.key === "Enter" && memory.tool === "frame") editor.apply("fill");
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) editor.setEdits(memory.edits.slice(0, -1));
    else return;
    event.preventDefault();
  });
}

// The easel with its tools.
function mountPaint(desk, memory, onChange) {
  const tools = TOOLS.map((tool) => button(null, desk.t(`paint_${tool}`), { "data-tool": tool }));
  const group = make("div", "sw-styles", tools, { role: "group", "aria-label": desk.t("paint_tools") });
  const acts = ["crop", "fill", "flip", "undo", "reset"].map((act) => button("sw-button", desk.t(`paint_${act}`), { "data-act": act }));
  const colour = make("input", "sw-colour", null, { type: "color", value: memory.colour, "aria-label": desk.t("paint_colour") });
  const size = slider(desk.t("paint_size"), { min: 0.01, max: 0.2, step: 0.01, value: memory.size, className: "sw-brush-size" }, (value) => { memory.size = value; });
  colour.addEventListener("input", () => { memory.colour = colour.value; });
  const refresh = () => {
    for (const node of tools) node.setAttribute("aria-pressed", String(node.dataset.tool === memory.tool));
    for (const node of acts) {
      const { act } = node.dataset;
      node.disabled = ["undo", "reset"].includes(act) ? !memory.edits.length : act !== "flip" && memory.tool !== "frame";
    }
    size.disabled = memory.tool !== "brush";
    onChange();
  };
  const editor = mountEditor(desk, memory, refresh);
  const doings = {
    crop: () => editor.apply("crop"),
    fill: () => editor.apply("fill"),
    flip: () => editor.add({ kind: "flip" }),
    undo: () => editor.setEdits(memory.edits.slice(0, -1)),
    reset: () => editor.setEdits([]),
  };
  group.addEventListener("click", (event) => event.target.dataset.tool && editor.use(event.target.dataset.tool));
  const bar = make("div", "sw-paint-bar", [group, ...acts, make("label", "sw-paint-colour", [make("span", null, desk.t("paint_colour")), colour]), make("label", "sw-paint-size", [make("span", null, desk.t("paint_size")), size])]);
  bar.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (act) doings[act.dataset.act]();
  });
  const keys = help(desk.t("paint_help"));
  keys.id = "sw-easel-keys";
  refresh();
  return { node: make("div", "sw-paint", [bar, editor.holder, keys, editor.said]), canvas: editor.canvas };
}
