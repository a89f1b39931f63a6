// The stage: the photo with the map of the word on show; how the map is drawn; the legend; what the maps may claim.

const FADE = 200; // milliseconds from one word's map to the next
const HOLD = 450; // milliseconds a finger or button rests on the photo to see it plain, beside the map

function mountStage(desk) {
  const { size } = desk.maps;
  const photo = make("img", "sw-photo", null, { src: desk.view.photo.address, alt: "" });
  const attributes = { width: size.width, height: size.height };
  const map = make("canvas", "sw-map", null, { role: "img", ...attributes });
  const before = make("canvas", "sw-map-before", null, { "aria-hidden": "true", ...attributes });
  const plain = make("img", "sw-plain", null, { src: desk.view.photo.address, alt: "" });
  const picture = make("div", "sw-picture", [photo, before, map]);
  const said = make("span");
  const close = button("sw-glimpse-close", "×", { "aria-label": desk.t("glimpse_close"), title: desk.t("glimpse_close") });
  close.addEventListener("click", () => desk.change({ glimpse: null }));
  const label = make("div", "sw-glimpse-label", [said, close]); // a branch of the search is on show, not the chosen word
  const stage = make("div", "sw-stage", [picture, plain, label], { title: desk.t("beside_help") });
  stage.style.setProperty("--sw-ratio", size.width / size.height);

  let drawn = "";
  function draw(state) {
    const glimpse = state.hover === null ? state.glimpse : null;
    const word = glimpse || desk.word();
    label.hidden = !glimpse;
    said.replaceChildren(...(glimpse ? glimpseLabel(desk, glimpse) : []));
    const top = desk.top();
    const next = word && !state.plain && !state.veiled ? `${word.map} ${state.blend} ${top}` : "";
    if (word) map.setAttribute("aria-label", desk.mapText(word));
    if (next === drawn) return;
    const context = map.getContext("2d");
    if (drawn && next && drawn.split(" ")[0] !== String(word.map) && !calm()) fade(context);
    drawn = next;
    context.clearRect(0, 0, size.width, size.height);
    if (next) context.drawImage(desk.maps.paint(word.map, state.blend, top), 0, 0);
  }
  // The old map goes while the new one comes; both are layers the browser blends by itself.
  function fade() {
    const old = before.getContext("2d");
    old.clearRect(0, 0, size.width, size.height);
    old.drawImage(map, 0, 0);
    for (const animation of [...before.getAnimations(), ...map.getAnimations()]) animation.cancel();
    before.animate([{ opacity: 1 }, { opacity: 0 }], { duration: FADE, fill: "forwards" });
    map.animate([{ opacity: 0 }, { opacity: 1 }], { duration: FADE });
  }
  desk.on(["caption", "word", "hover", "glimpse", "blend", "plain", "veiled"], draw);
  desk.on(["caption"], () => {
    photo.alt = desk.t("photo_alt", { caption: desk.caption().text });
  });
  desk.on(["plain"], (state) => stage.classList.toggle("sw-no-map", state.plain));
  desk.on(["beside"], (state) => stage.classList.toggle("sw-beside", Boolean(state.beside)));
  listenToHold(desk, stage);
  desk.stage = stage;
  desk.picture = picture;
  return stage;
}

// Resting on the photo shows it plain beside the map until let go.
function listenToHold(desk, stage) {
  let timer = null;
  let from = null;
  const end = () => {
    window.clearTimeout(timer);
    if (timer !== null && desk.state.held) desk.change({ beside: false, held: false });
    timer = null;
  };
  stage.addEventListener("pointerdown", (event) => {
    if (desk.state.tool) return;
    from = [event.clientX, event.clientY];
    timer = window.setTimeout(() => desk.change({ beside: true, held: true }), HOLD);
  });
  stage.addEventListener("pointermove", (event) => {
    if (timer === null || desk.state.held) return;
    if (Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 8) end(); // a drag, or a finger that scrolls
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) stage.addEventListener(name, end);
  stage.addEventListener("contextmenu", (event) => desk.state.held && event.preventDefault());
}

function mountStyles(desk) {
  const { leastBlend } = desk.maps;
  const choices = {
    smooth: { blend: 1, plain: false }, cells: { blend: 0, plain: false },
    ...(leastBlend < 0 ? { native: { blend: NATIVE, plain: false } } : {}),
    none: { plain: true },
  };
  const buttons = Object.keys(choices).map((name) => button(null, desk.t(`style_${name}`), { "data-style": name }));
  const beside = button("sw-button", desk.t("beside"));
  const group = make("div", "sw-styles", buttons, { role: "group", "aria-label": desk.t("style_label") });
  group.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-style]");
    if (chosen) desk.change(choices[chosen.dataset.style]);
  });
  const blend = slider(desk.t("blend"), { min: leastBlend, max: 1, step: 0.05, value: 1, className: "sw-blend" }, (value) => desk.change({ blend: value, plain: false }));
  beside.addEventListener("click", () => desk.change({ beside: !desk.state.beside }));
  desk.on(["blend", "plain"], (state) => {
    const now = state.plain ? "none" : { 0: "cells", 1: "smooth", [NATIVE]: "native" }[state.blend];
    for (const node of buttons) node.setAttribute("aria-pressed", String(node.dataset.style === now));
    blend.value = String(state.blend);
  });
  desk.on(["beside"], (state) => beside.setAttribute("aria-pressed", String(Boolean(state.beside))));
  return make("div", "sw-drawing", [group, blend, beside]);
}

function mountLegend(desk) {
  const bar = make("canvas", "sw-bar", null, { "aria-hidden": "true" });
  const top = make("span", "sw-top");
  const even = make("span", "sw-even");
  const holder = make("div", "sw-scale-bar", [bar]);
  const scale = make("div", "sw-scale", [
    make("span", null, desk.t("legend")), holder, make("div", "sw-scale-ends", [make("span", null, "0 %"), even, top]),
  ]);
  paintLegend(bar, desk.maps.colours);
  desk.on(["caption", "blend"], (state) => {
    const highest = desk.top();
    const share = desk.maps.evenShare(state.blend);
    top.textContent = percent(highest);
    even.textContent = desk.t("legend_even", { share: percent(share) });
    holder.style.setProperty("--sw-even", Math.min(1, highest > 0 ? share / highest : 0));
  });
  desk.on(["plain"], (state) => scale.classList.toggle("sw-unseen", state.plain));
  return scale;
}

// What attention is and is not; always by the map.
function mountClaim(desk) {
  const line = make("p", "sw-claim");
  const [rows, columns] = desk.view.grid;
  const [nativeRows, nativeColumns] = desk.view.native;
  const values = { native_rows: nativeRows, native_columns: nativeColumns, rows, columns };
  desk.on(["blend"], ({ blend }) => {
    const said = ["claim"];
    if (blend > 0) said.push(isStretched(desk.view) ? "claim_smooth_stretched" : "claim_smooth");
    if (isStretched(desk.view)) said.push(blend === NATIVE ? "claim_native" : "claim_stretched");
    else if (blend === 0) said.push("claim_cells");
    line.textContent = said.map((key) => desk.t(key, values)).join(" ");
  });
  return line;
}
