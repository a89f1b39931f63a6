// Ask the photo: a rectangle on it, and the words of all captions at this beam width that looked there.

const STILL = 8; // pixels a pointer may move and still click; the stage's long press allows as much
const SMALLEST = 0.02; // side of a region, as a share of the photo's

function within(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

// Of each of `count` equal cells along a side, the share between `from` and `to` (0 to 1 along that side).
function covered(count, from, to) {
  return Array.from({ length: count }, (_, cell) => within(to * count - cell, 0, 1) - within(from * count - cell, 0, 1));
}

// The share of a map's attention inside a region; cells that lie partly inside count for that part.
function massInside(maps, index, region) {
  const across = covered(maps.width, region.left, region.right);
  const down = covered(maps.height, region.top, region.bottom);
  let [inside, all] = [0, 0];
  maps.weightsOf(index).forEach((weight, cell) => {
    all += weight;
    inside += weight * across[cell % maps.width] * down[Math.floor(cell / maps.width)];
  });
  return all > 0 ? inside / all : 0;
}

function areaOf(region) {
  return (region.right - region.left) * (region.bottom - region.top);
}

// A word with the two before it, which tell it from the same word elsewhere.
function wordInContext(caption, index) {
  const before = captionWords(caption).slice(Math.max(0, index - 2), index).join(" ");
  return { before: before && `${index > 2 ? "… " : ""}${before} `, word: caption.words[index].word };
}

// Every different word of the captions on show at this width, the one that looked here most first. Captions that begin
// alike share words: one entry names all places (caption, index, rank) of what reads the same and has the same share.
function wordsInside(desk, region) {
  const masses = new Map();
  const found = new Map();
  desk.ranked().forEach((place, rank) => desk.view.captions[place].words.forEach((word, index) => {
    if (!masses.has(word.map)) masses.set(word.map, massInside(desk.maps, word.map, region));
    const mass = masses.get(word.map);
    const context = wordInContext(desk.view.captions[place], index);
    const key = JSON.stringify([context, percent(mass)]);
    if (!found.has(key)) found.set(key, { ...context, mass, places: [] });
    found.get(key).places.push({ caption: place, index, rank });
  }));
  return [...found.values()].sort((a, b) => b.mass - a.mass);
}

function cellAround(maps, point) {
  const column = Math.min(maps.width - 1, Math.floor(point.x * maps.width));
  const row = Math.min(maps.height - 1, Math.floor(point.y * maps.height));
  return { left: column / maps.width, top: row / maps.height, right: (column + 1) / maps.width, bottom: (row + 1) / maps.height };
}

// A third of the photo in its middle, on whole cells.
function middleOf(maps) {
  const side = (count) => [Math.floor(count / 3) / count, Math.ceil((2 * count) / 3) / count];
  const [[left, right], [top, bottom]] = [side(maps.width), side(maps.height)];
  return { left, top, right, bottom };
}

function moved(region, x, y) {
  const right = within(x, -region.left, 1 - region.right);
  const down = within(y, -region.top, 1 - region.bottom);
  return { left: region.left + right, top: region.top + down, right: region.right + right, bottom: region.bottom + down };
}

// The region between two corners, never so small that it cannot be seen.
function spanned(a, b) {
  const side = (from, to) => {
    const low = Math.min(from, to, 1 - SMALLEST);
    return [low, Math.max(from, to, low + SMALLEST)];
  };
  const [[left, right], [top, bottom]] = [side(a.x, b.x), side(a.y, b.y)];
  return { left, top, right, bottom };
}

// Where on the photo a pointer is, 0 to 1 across and down; a point beside it counts as on its edge.
function pointOn(picture, event) {
  const box = picture.getBoundingClientRect();
  return { x: within((event.clientX - box.left) / box.width, 0, 1), y: within((event.clientY - box.top) / box.height, 0, 1) };
}

// Whether the stage listens to this part now: not while another tool has it or the class looks on.
function asking(state) {
  return !state.tool && !state.projector;
}

// What a drag has made of the region it began with, the pointer being at `now`.
function dragged({ mode, from, region }, now) {
  if (mode === "new") return spanned(from, now);
  if (mode === "move") return moved(region, now.x - from.x, now.y - from.y);
  const [side, edge] = mode.split(" "); // the corner that moves; the one across from it stays
  const corner = { x: within(region[side] + now.x - from.x, 0, 1), y: within(region[edge] + now.y - from.y, 0, 1) };
  return spanned({ x: side === "left" ? region.right : region.left, y: edge === "top" ? region.bottom : region.top }, corner);
}

// A drag draws, moves or resizes; a quick click takes the cell; holding still is the stage's own and ends both.
function listenToDrags(desk, outline) {
  const { stage, picture } = desk;
  let drag = null;
  const end = () => void (drag = null);
  const cancel = () => {
    if (drag) desk.change({ region: drag.region });
    end();
  };
  const give = (event) => dragged(drag, pointOn(picture, event));
  stage.addEventListener("pointerdown", (event) => {
    if (drag && !event.isPrimary) cancel(); // a second finger pinches
    if (event.button || !event.isPrimary || !asking(desk.state)) return;
    const grip = event.target.closest(".sw-region-grip");
    const mode = grip ? grip.dataset.corner : event.target.closest(".sw-region") ? "move" : "new";
    drag = { id: event.pointerId, mode, from: pointOn(picture, event), at: [event.clientX, event.clientY], region: desk.state.region || null, far: false };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    if (!drag.far && Math.hypot(event.clientX - drag.at[0], event.clientY - drag.at[1]) <= STILL) return;
    if (!drag.far) stage.setPointerCapture(event.pointerId);
    drag.far = true;
    desk.change({ region: give(event) });
  });
  stage.addEventListener("pointerup", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    desk.change({ region: drag.far ? give(event) : cellAround(desk.maps, drag.from) });
    outline.focus({ preventScroll: true });
    end();
  });
  stage.addEventListener("pointercancel", cancel); // it was a scroll
  desk.on(["held"], (state) => state.held && end());
}

// The rectangle on the photo, with a grip at every corner; arrow keys move it cell by cell.
function mountOutline(desk, clear) {
  const corners = ["left top", "right top", "left bottom", "right bottom"];
  const grips = corners.map((corner) => make("span", "sw-region-grip", null, { "data-corner": corner, "aria-hidden": "true" }));
  const outline = make("div", "sw-region", grips, { tabindex: "0", role: "application", "aria-label": desk.t("region_keys") });
  desk.picture.append(make("div", "sw-region-layer", [outline]));
  outline.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      return clear();
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey) return undefined;
    event.preventDefault();
    const { region } = desk.state;
    const [x, y] = [way[0] / desk.maps.width, way[1] / desk.maps.height];
    const right = within(region.right + x, region.left + 1 / desk.maps.width, 1);
    const bottom = within(region.bottom + y, region.top + 1 / desk.maps.height, 1);
    const resized = { ...region, right: x ? right : region.right, bottom: y ? bottom : region.bottom };
    return desk.change({ region: event.shiftKey ? resized : moved(region, x, y) });
  });
  desk.on(["region", "tool", "projector"], (state) => {
    outline.hidden = !state.region || !asking(state);
    if (!state.region) return;
    for (const [side, value] of Object.entries(state.region)) {
      outline.style[side] = `${100 * (side === "right" || side === "bottom" ? 1 - value : value)}%`;
    }
  });
  listenToDrags(desk, outline);
  return outline;
}

// One word that looked here: the words before it, the captions it stands in, its share as a bar with the even spread marked.
function regionRow(desk, entry, longest, even) {
  const [first] = entry.places;
  const caption = desk.view.captions[first.caption];
  const ranks = entry.places.map((place) => place.rank + 1);
  const values = { captions: ranks.slice(0, 4).join(", "), more: ranks.length - 4 };
  const where = desk.t(ranks.length === 1 ? "region_in" : ranks.length > 4 ? "region_in_more" : "region_in_several", values);
  const name = make("span", "sw-ask-word", [make("span", "sw-ask-before", entry.before), make("strong", null, entry.word)], { lang: CAPTION_LANGUAGE });
  const facts = make("span", "sw-ask-where", `${where} · ${desk.t("region_times", { times: times(entry.mass / even) })}`);
  const row = button(entry.mass >= even ? "sw-ask-row" : "sw-ask-row sw-below", [name, make("span", "sw-ask-share", percent(entry.mass)), facts], { title: caption.text });
  row.style.setProperty("--sw-share", longest > 0 ? entry.mass / longest : 0);
  row.style.setProperty("--sw-even", longest > 0 ? Math.min(1, even / longest) : 0);
  row.addEventListener("click", () => {
    const here = entry.places.find((place) => place.caption === desk.state.caption) || first;
    desk.change({ caption: here.caption, word: here.index, hover: null, plain: false, playing: false });
  });
  return { row, entry };
}

function times(ratio) {
  return ratio < 10 ? ratio.toFixed(1) : String(Math.round(ratio));
}

// The words of the open caption light up by the share of their attention inside; null puts them out.
function tintChips(desk, region) {
  if (!desk.chips) return;
  const masses = region ? desk.caption().words.map((word) => massInside(desk.maps, word.map, region)) : [];
  const longest = Math.max(...masses, 1e-9);
  desk.chips.classList.toggle("sw-asked", Boolean(region));
  [...desk.chips.children].forEach((chip, index) => chip.style.setProperty("--sw-lit", region ? (masses[index] / longest).toFixed(3) : 0));
}

// What was found in the region.
function mountFound(desk, erase) {
  const most = make("p", "sw-ask-most", null, { role: "status" });
  const share = help("");
  const list = make("ol", "sw-ask-list");
  const some = make("div", "sw-ask-some", [make("div", "sw-row", [most, erase]), share, list]);
  let rows = [];
  desk.on(["region", "width", "power"], (state) => {
    some.hidden = !state.region;
    const found = state.region ? wordsInside(desk, state.region) : [];
    rows = found.map((entry) => regionRow(desk, entry, found[0].mass, areaOf(state.region)));
    list.replaceChildren(...rows.map(({ row }) => make("li", null, [row])));
    if (!found.length) return;
    const even = areaOf(state.region);
    const [{ word, mass }] = found;
    most.replaceChildren(...filledWith(desk.t("region_most"), { word: spoken(word), share: percent(mass), times: times(mass / even) }));
    share.textContent = desk.t("region_even", { share: percent(even) });
  });
  desk.on(["region", "width", "power", "caption", "word"], (state) => {
    for (const { row, entry } of rows) {
      row.setAttribute("aria-pressed", String(entry.places.some((place) => place.caption === state.caption && place.index === state.word)));
    }
  });
  return some;
}

// The box below the photo: what to do, or what was found.
function mountRegion(desk) {
  const start = button("sw-button sw-ask-start", desk.t("region_start"));
  const erase = button("sw-button", desk.t("region_clear"));
  const none = make("div", "sw-ask-none", [help(desk.t("region_hint")), start]);
  const box = make("section", "sw-ask", [none, mountFound(desk, erase)], { "aria-label": desk.t("region_title") });
  const clear = () => {
    desk.change({ region: null });
    start.focus({ preventScroll: true });
  };
  const outline = mountOutline(desk, clear);
  erase.addEventListener("click", clear);
  start.addEventListener("click", () => {
    desk.change({ region: middleOf(desk.maps) });
    outline.focus({ preventScroll: true });
  });
  box.addEventListener("keydown", (event) => event.key === "Escape" && desk.state.region && clear());
  desk.on(["region", "tool", "projector"], (state) => {
    box.hidden = !asking(state);
    none.hidden = Boolean(state.region);
  });
  desk.on(["region", "caption", "tool", "projector"], (state) => tintChips(desk, asking(state) ? state.region : null));
  return box;
}
