// From photo to word: cards that walk through one word of this photo, each with its numbers, a deed and a question. Its own
// state on the desk: boxCard (which is open), boxCell (chosen, or null for the strongest), boxMap and boxChannel (looked at),
// boxLast (whether boxMap is of the last stage), boxDone (names of the cards whose deed was done).

const CARDS = [
  PIXELS_CARD, STAGES_CARD, GRID_CARD, SCORE_CARD, SHARE_CARD, CONTEXT_CARD, GATE_CARD, MEMORY_CARD, WORDS_CARD, BEAM_CARD, AGAIN_CARD,
];
const CARD_WATCH = ["caption", "word", "boxCell", "blend", "plain", "width", "playing", "boxMap", "boxChannel", "power"];

// Where a card's part of the page is.
const LIT_PARTS = {
  stage: (root) => root.querySelector(".sw-stage"),
  styles: (root) => root.querySelector(".sw-styles"),
  caption: (root) => root.querySelector(".sw-caption"),
  player: (root) => root.querySelector(".sw-player"),
  word: (root) => closestPanel(root, ".sw-word-name"),
  beam: (root) => closestPanel(root, ".sw-width"),
};

function closestPanel(root, selector) {
  const node = root.querySelector(selector);
  return node && node.closest(".sw-panel");
}

function mountCards(desk) {
  desk.change({ boxCard: desk.state.boxCard || 0, boxCell: desk.state.boxCell === undefined ? null : desk.state.boxCell, boxDone: desk.state.boxDone || new Set() });
  const open = mountCard(desk);
  desk.on(["boxCard", "panel", "boxCell", "word", "caption"], () => requestAnimationFrame(() => lightUp(desk)));
  return make("div", "sw-box", [help(desk.t("box_intro")), mountRoad(desk), open]);
}

// The steps as a line: where one is, which deeds are done.
function mountRoad(desk) {
  const steps = CARDS.map((card, place) => button("sw-step", [
    make("span", "sw-step-number", String(place + 1), { "aria-hidden": "true" }), make("span", "sw-step-name", desk.t(`box_${card.name}`)),
  ], { "data-place": place }));
  const list = make("div", "sw-road", steps, { role: "group", "aria-label": desk.t("box_road_label") });
  list.addEventListener("click", (event) => {
    const step = event.target.closest("[data-place]");
    if (step) desk.change({ boxCard: Number(step.dataset.place) });
  });
  list.addEventListener("keydown", (event) => {
    const now = desk.state.boxCard;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    desk.change({ boxCard: Math.max(0, Math.min(steps.length - 1, next)) });
    steps[desk.state.boxCard].focus({ preventScroll: true });
  });
  desk.on(["boxCard", "boxDone"], ({ boxCard: now, boxDone: done }) => steps.forEach((step, place) => {
    const did = done.has(CARDS[place].name);
    step.classList.toggle("sw-step-done", did);
    step.setAttribute("aria-label", desk.t(did ? "box_step_done" : "box_step", { place: place + 1, name: desk.t(`box_${CARDS[place].name}`) }));
    step.tabIndex = place === now ? 0 : -1;
    if (place === now) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
    if (place === now) list.scrollTo({ left: step.offsetLeft - list.clientWidth / 2 + step.offsetWidth / 2, behavior: calm() ? "auto" : "smooth" });
  }));
  return list;
}

// The open card: made anew when another is opened; its figure is drawn anew whenever what it shows changes.
function mountCard(desk) {
  const holder = make("div", "sw-box-card-holder");
  let parts = null;
  const numbers = makeNumbers(desk, () => parts && parts.draw());
  desk.on(["boxCard"], () => {
    parts = makeCard(desk, numbers);
    holder.replaceChildren(parts.node);
  });
  desk.on([...CARD_WATCH, "panel"], () => {
    if (desk.state.panel !== "box") return;
    parts.draw();
    parts.check();
  });
  return holder;
}

function makeCard(desk, numbers) {
  const place = desk.state.boxCard;
  const card = CARDS[place];
  const said = (key) => desk.t(`box_${card.name}_${key}`);
  const figure = makeFigure(desk, card, numbers);
  const deed = makeDeed(desk, card);
  const title = make("h4", "sw-box-card-title", said("title"), { tabindex: -1 });
  const turn = (key, way) => {
    const node = button("sw-button", desk.t(key));
    node.disabled = !CARDS[place + way];
    node.addEventListener("click", () => {
      desk.change({ boxCard: place + way });
      const next = desk.stage.closest(".sw-viewer").querySelector(".sw-box-card-title");
      if (next) next.focus({ preventScroll: true });
    });
    return node;
  };
  const equations = make("div", "sw-equations", card.equations.map((text) => equation(text)));
  if (card.paper) equations.append(make("span", "sw-paper", desk.t(card.paper.includes(".") ? "box_section" : "box_paper", { number: card.paper })));
  const words = make("div", "sw-box-said", [
    make("p", "sw-quiet", desk.t("box_of", { place: place + 1, count: CARDS.length })), title, make("p", "sw-box-card-text", said("text")),
    ...(card.equations.length ? [equations] : []),
  ]);
  const question = make("details", "sw-question", [make("summary", null, said("ask")), make("p", null, said("answer"))]);
  const node = make("article", "sw-panel sw-box-card", [
    words, make("div", "sw-box-shown", [...(card.words ? [boxWords(desk)] : []), figure.node]),
    make("div", "sw-box-asked", [deed.node, question, make("div", "sw-row", [turn("box_previous", -1), turn("box_next", 1)])]),
  ], { "data-card": card.name });
  return { node, draw: figure.draw, check: deed.check };
}

// The caption's words once more, so that another can be chosen without leaving the card.
function boxWords(desk) {
  const list = make("div", "sw-box-words", null, { role: "group", "aria-label": desk.t("caption_label") });
  const draw = () => list.replaceChildren(...desk.caption().words.map((word, index) => button("sw-box-word", word.word, { "data-index": index, lang: CAPTION_LANGUAGE })));
  draw();
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-index]");
    if (chosen) desk.setWord(Number(chosen.dataset.index));
  });
  list.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    desk.setWord(desk.state.word + way);
    list.children[desk.state.word].focus({ preventScroll: true });
  });
  const mark = () => {
    if (list.childElementCount !== desk.caption().words.length || desk.caption().words.some((word, place) => list.children[place].textContent !== word.word)) draw();
    [...list.children].forEach((node, place) => {
      node.setAttribute("aria-pressed", String(place === desk.state.word));
      node.tabIndex = place === desk.state.word ? 0 : -1;
    });
  };
  mark();
  list.mark = mark;
  return list;
}

// The figure and what is said while its numbers are worked out, or why there are none.
function makeFigure(desk, card, numbers) {
  const status = make("p", "sw-figure-status", null, { role: "status" });
  const again = button("sw-button", desk.t("box_again_button"));
  const body = make("div", "sw-figure");
  const node = make("div", "sw-figure-holder", [body, status, again]);
  again.addEventListener("click", () => {
    numbers.forget(card.needs);
    draw();
  });
  let told = false; // whether the figure holds the model's numbers
  function draw() {
    const found = numbers.look(card.needs);
    const before = document.activeElement && body.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
    // While numbers are worked out the old ones stay, paler; what needs none is drawn at once.
    if (!found.waiting || !told) body.replaceChildren(card.figure(desk, found.answer));
    told = Boolean(found.answer) || (told && Boolean(found.waiting));
    body.setAttribute("aria-busy", String(Boolean(found.waiting)));
    node.classList.toggle("sw-figure-waiting", Boolean(found.waiting));
    node.classList.toggle("sw-figure-problem", Boolean(found.problem));
    status.textContent = found.problem || (found.waiting ? desk.t("box_waiting") : found.absent ? desk.t("box_absent") : "");
    again.hidden = !found.problem;
    const words = node.parentElement && node.parentElement.querySelector(".sw-box-words");
    if (words) words.mark();
    const kept = before && [...body.querySelectorAll("[data-keep]")].find((one) => one.dataset.keep === before);
    if (kept) kept.focus({ preventScroll: true });
  }
  draw();
  return { node, draw };
}

// One thing to do on the page, and the tick once it was done since the card was opened.
function makeDeed(desk, card) {
  const then = { ...desk.state };
  const mark = make("span", "sw-tick", "✓", { "aria-hidden": "true" });
  const done = make("p", "sw-done", null, { role: "status" });
  const show = button("sw-button", desk.t("box_show"));
  show.hidden = Boolean(card.here); // what is asked for lies in the card
  show.addEventListener("click", () => {
    const part = litParts(desk, card)[0];
    if (part) part.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
  });
  const node = make("div", "sw-deed", [mark, make("div", null, [make("p", "sw-deed-text", desk.t(`box_${card.name}_do`)), done]), show]);
  function check() {
    const did = desk.state.boxDone.has(card.name) || card.did(desk, then);
    if (did && !desk.state.boxDone.has(card.name)) desk.change({ boxDone: new Set([...desk.state.boxDone, card.name]) });
    node.classList.toggle("sw-did", did);
    const said = did ? desk.t(`box_${card.name}_done`) : "";
    if (done.textContent !== said) done.textContent = said;
  }
  check();
  return { node, check };
}

function litParts(desk, card) {
  const root = desk.stage.closest(".sw-viewer") || desk.stage.parentElement;
  return root ? card.lit.map((name) => LIT_PARTS[name](root)).filter(Boolean) : [];
}

// Outline the open card's part of the page, and its cell on the photo, while the panel lies open.
function lightUp(desk) {
  const root = desk.stage.closest(".sw-viewer");
  if (!root) return;
  for (const node of root.querySelectorAll(".sw-lit")) node.classList.remove("sw-lit");
  const card = desk.state.panel === "box" ? CARDS[desk.state.boxCard] : null;
  let outline = desk.picture.querySelector(".sw-box-cell");
  if (card) for (const node of litParts(desk, card)) node.classList.add("sw-lit");
  if (card && card.cell) {
    if (!outline) {
      outline = cellOutline(desk);
      desk.picture.append(outline);
    } else placeOutline(desk, outline);
  } else if (outline) outline.remove();
}
