// Turning and zooming the relief: by dragging, with two fingers, with the wheel, with keys and with buttons.

const ZOOMS = [0.6, 3];
const PITCHES = [0.08, 1.5];
const DRAG_TURN = 0.008; // radians a pixel

function turnRelief(relief, yaw, pitch) {
  const { eye } = relief.scene;
  eye.yaw += yaw;
  eye.pitch = Math.max(PITCHES[0], Math.min(PITCHES[1], eye.pitch + pitch));
  relief.ask();
}

// False where it cannot go any nearer or farther.
function zoomRelief(relief, factor) {
  const { eye } = relief.scene;
  const zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], eye.zoom * factor));
  if (zoom === eye.zoom) return false;
  eye.zoom = zoom;
  relief.ask();
  return true;
}

function resetRelief(relief) {
  relief.scene.eye = { ...RELIEF_START };
  relief.ask();
}

function listenToTurns(relief, canvas) {
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const wide = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const share = 1 / fingers.size; // two fingers turn it together
    turnRelief(relief, (before[0] - event.clientX) * DRAG_TURN * share, (event.clientY - before[1]) * DRAG_TURN * share);
    if (wide > 0) zoomRelief(relief, spread() / wide);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  // The wheel zooms once the relief has been clicked; before that it scrolls the page as everywhere.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    if (zoomRelief(relief, Math.exp(-event.deltaY * 0.0015))) event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const deed = reliefDeeds(relief)[event.key];
    if (!deed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    deed();
  });
}

function reliefDeeds(relief) {
  return {
    ArrowLeft: () => turnRelief(relief, RELIEF_STEP, 0),
    ArrowRight: () => turnRelief(relief, -RELIEF_STEP, 0),
    ArrowUp: () => turnRelief(relief, 0, RELIEF_STEP),
    ArrowDown: () => turnRelief(relief, 0, -RELIEF_STEP),
    "+": () => zoomRelief(relief, ZOOM_STEP),
    "=": () => zoomRelief(relief, ZOOM_STEP),
    "-": () => zoomRelief(relief, 1 / ZOOM_STEP),
    0: () => resetRelief(relief),
    Home: () => resetRelief(relief),
  };
}

// A button for every way of turning, for those who do not drag.
function reliefKeys(relief) {
  const deeds = reliefDeeds(relief);
  const keys = [["ArrowLeft", "←", "left"], ["ArrowRight", "→", "right"], ["ArrowUp", "↑", "up"], ["ArrowDown", "↓", "down"], ["-", "−", "farther"], ["+", "+", "nearer"]];
  const turns = keys.map(([key, sign, name]) => {
    const node = button("sw-button sw-relief-key", sign, { "aria-label": relief.desk.t(`relief_${name}`), title: relief.desk.t(`relief_${name}`) });
    node.addEventListener("click", deeds[key]);
    return node;
  });
  const reset = button("sw-button", relief.desk.t("relief_reset"));
  reset.addEventListener("click", deeds.Home);
  return make("div", "sw-relief-keys", [...turns, reset], { role: "group", "aria-label": relief.desk.t("relief_turning") });
}

function reliefControls(relief) {
  const { desk, scene } = relief;
  const toggle = (name, read, write) => {
    const node = button("sw-button", desk.t(`relief_${name}`), { "aria-pressed": String(read()) });
    node.addEventListener("click", () => {
      write(!read());
      node.setAttribute("aria-pressed", String(read()));
      relief.ask();
    });
    return node;
  };
  const height = slider(desk.t("relief_height"), { min: 0, max: 1, step: 0.05, value: scene.lift }, (value) => {
    scene.lift = value;
    relief.ask();
  });
  const save = button("sw-button", desk.t("relief_save"));
  save.addEventListener("click", () => saveRelief(relief));
  const spin = toggle("spin", () => relief.turning, (on) => { relief.turning = on; relief.turned = performance.now(); });
  spin.disabled = calm(); // for those who asked for less motion nothing moves by itself
  return make("div", "sw-relief-controls", [
    reliefKeys(relief),
    make("div", "sw-relief-keys", [
      spin,
      toggle("colours", () => scene.colours, (on) => { scene.colours = on; }),
      toggle("grid", () => scene.grid, (on) => { scene.grid = on; }),
    ]),
    make("label", "sw-relief-height", [make("span", null, desk.t("relief_height")), height]),
    make("div", "sw-relief-save", [save, help(desk.t("relief_save_help"))]),
  ]);
}

function saveRelief(relief) {
  const { desk, mesh, heights, scene } = relief;
  const photo = addressBytes(desk.view.photo.address);
  const bytes = makeGlb(mesh, heights, scene.lift, desk.word().word, photo);
  handOver(fileName(desk.caption(), "glb"), bytes, "model/gltf-binary");
}
