// Both photos with the maps of one aligned word on one scale, both captions under each other, and the numbers.

const COLUMN_SIGNS = { same: "=", changed: "≠", lost: "−", won: "+" };
const readAlready = new WeakMap(); // view -> its maps, which are costly to read

function mapsOf(view) {
  if (!readAlready.has(view)) readAlready.set(view, readMaps(view));
  return readAlready.get(view);
}

// What the beam of a width says of a view: its best caption; the nearest width where that one was not searched.
function bestCaption(view, width, power) {
  const nearest = Object.keys(view.ranking).map(Number).reduce((a, b) => (Math.abs(b - width) < Math.abs(a - width) ? b : a));
  return view.captions[rankCaptions(view, nearest, power)[0]];
}

// One photo with a map on it.
function mountSight(desk, view, maps, title) {
  const attributes = { width: maps.size.width, height: maps.size.height };
  const canvas = make("canvas", "sw-sight-map", null, { role: "img", ...attributes });
  const photo = make("img", "sw-sight-photo", null, { src: view.photo.address, alt: "" });
  const picture = make("div", "sw-sight-picture", [photo, canvas]);
  picture.style.setProperty("--sw-ratio", maps.size.width / maps.size.height);
  const words = spoken("", "sw-sight-caption", "figcaption");
  return {
    node: make("figure", "sw-sight", [make("h4", null, title), picture, words]),
    show(caption, word, top) {
      words.textContent = caption.text;
      photo.alt = desk.t("photo_alt", { caption: caption.text });
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      const label = word ? desk.t("compare_map", { word: word.word, probability: percent(word.probability), cells: cellCount(word.cells), total: maps.total }) : desk.t("compare_no_word");
      canvas.setAttribute("aria-label", label);
      if (word && !desk.state.plain) context.drawImage(maps.paint(word.map, desk.state.blend, top), 0, 0);
    },
  };
}

// Both captions, a column for each pair of words.
function mountColumns(desk, onShow) {
  const list = make("div", "sw-columns-list", null, { role: "group", "aria-label": desk.t("compare_columns") });
  let [chosen, count] = [0, 0];
  const cell = (word) => (word ? spoken(word.word, "sw-pair-word") : make("span", "sw-pair-word sw-pair-none", "·"));
  const at = (event) => {
    const node = event.target.closest("[data-column]");
    return node ? Number(node.dataset.column) : null;
  };
  const choose = (column) => {
    chosen = (column + count) % count;
    [...list.children].forEach((node, place) => {
      node.setAttribute("aria-pressed", String(place === chosen));
      node.tabIndex = place === chosen ? 0 : -1;
    });
    onShow(chosen, true);
  };
  list.addEventListener("mouseover", (event) => at(event) !== null && onShow(at(event), false));
  list.addEventListener("mouseleave", () => count && onShow(chosen, false));
  list.addEventListener("click", (event) => at(event) !== null && choose(at(event)));
  list.addEventListener("keydown", (event) => {
    const next = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: count - 1 }[event.key];
    if (next === undefined || !count) return;
    event.preventDefault();
    choose(next);
    list.children[chosen].focus({ preventScroll: true });
  });
  return {
    list,
    fill(columns, left, right, wanted) {
      count = columns.length;
      list.replaceChildren(...columns.map((column, place) => {
        const [word, other] = [left.words[column.left], right.words[column.right]];
        const sign = make("span", "sw-pair-sign", COLUMN_SIGNS[column.kind], { "aria-hidden": "true" });
        const label = desk.t(`compare_pair_${column.kind}`, { left: word ? word.word : "", right: other ? other.word : "" });
        return button(`sw-pair sw-pair-${column.kind}`, [cell(word), sign, cell(other)], { "data-column": place, "aria-label": label });
      }));
      const [replaced, other] = [(column) => column.kind === "changed", (column) => column.kind !== "same"].map((wish) => columns.findIndex(wish));
      const first = replaced >= 0 ? replaced : other;
      if (count) choose(wanted !== null && wanted < count ? wanted : Math.max(0, first));
    },
  };
}

// The numbers of one column, as a table that is also said.
function mountNumbers(desk, titles) {
  const body = make("tbody");
  const note = make("p", "sw-compare-distance");
  const head = make("thead", null, [make("tr", null, ["", ...titles].map((text) => make(text ? "th" : "td", null, text, text ? { scope: "col" } : {})))]);
  const rows = [
    ["compare_word", (word) => spoken(word.word)],
    ["probability", (word) => percent(word.probability)],
    ["cells", (word, total) => desk.t("cells_value", { cells: cellCount(word.cells), total })],
    ["gate", (word) => percent(word.gate)],
  ];
  return {
    node: make("div", "sw-compare-numbers", [make("table", null, [head, body]), note], { "aria-live": "polite" }),
    show(pair, totals, distance) {
      body.replaceChildren(...rows.map(([key, read]) => make("tr", null, [
        make("th", null, desk.t(key), { scope: "row" }),
        ...pair.map((word, side) => make("td", null, [word ? read(word, totals[side]) : "–"])),
      ])));
      note.textContent = distance;
    },
  };
}

// How far the maps of a pair of words lie apart, in words.
function distanceText(desk, pair, maps, { mirrored, same }) {
  if (!pair[0] || !pair[1]) return desk.t("compare_alone");
  const [left, right] = maps;
  if (left.height !== right.height || left.width !== right.width) return desk.t("compare_grids");
  const [map, other] = [left.weightsOf(pair[0].map), right.weightsOf(pair[1].map)];
  const distance = mapDistance(map, mirrored ? mirrorMap(other, right.width) : other).toFixed(2);
  const said = [desk.t("compare_distance", { distance })];
  if (mirrored) said.push(desk.t("compare_mirrored"));
  if (!same) said.push(desk.t("compare_places"));
  return said.join(" ");
}

function mountScale(desk, maps) {
  const bar = make("canvas", "sw-bar", null, { "aria-hidden": "true" });
  const [even, end] = [make("span", "sw-even"), make("span")];
  const holder = make("div", "sw-scale-bar", [bar]);
  paintLegend(bar, maps.colours);
  return {
    node: make("div", "sw-scale", [make("span", null, desk.t("compare_scale")), holder, make("div", "sw-scale-ends", [make("span", null, "0 %"), even, end])]),
    show(top) {
      end.textContent = percent(top);
      even.textContent = desk.t("legend_even", { share: percent(1 / maps.total) });
      holder.style.setProperty("--sw-even", Math.min(1, 1 / maps.total / top));
    },
  };
}

function mountSideBySide(desk, memory) {
  const { second } = memory;
  const titles = (memory.titles || ["compare_left", "compare_right"]).map((key) => desk.t(key));
  const views = [desk.view, second.view];
  const maps = [desk.maps, mapsOf(second.view)];
  const sights = views.map((view, side) => mountSight(desk, view, maps[side], titles[side]));
  const [summary, width] = [make("p", "sw-compare-summary", null, { role: "status" }), make("p", "sw-help")];
  const [numbers, scale] = [mountNumbers(desk, titles), mountScale(desk, desk.maps)];
  let [captions, columns, shown] = [[], [], 0];

  const top = () => Math.max(...captions.map((caption) => topOf(caption, desk.state.blend)));
  const show = (place, kept) => {
    shown = place;
    if (kept) memory.column = place;
    const column = columns[place];
    const pair = column ? [captions[0].words[column.left], captions[1].words[column.right]] : [null, null];
    sights.forEach((sight, side) => sight.show(captions[side], pair[side], top()));
    numbers.show(pair, maps.map((map) => map.total), distanceText(desk, pair, maps, second));
    scale.show(top());
  };
  const pairs = mountColumns(desk, show);
  let wanted = memory.column;
  desk.on(["width", "power"], (state) => {
    captions = views.map((view) => bestCaption(view, state.width, state.power));
    const [words, others] = captions.map(captionWords);
    columns = alignWords(words, others);
    width.textContent = desk.t("compare_width", { width: state.width });
    summary.replaceChildren(...alignmentSummary(desk, columns, words, others));
    if (!columns.length) show(0, false);
    pairs.fill(columns, ...captions, wanted);
    wanted = null;
  });
  desk.on(["blend", "plain"], () => show(shown, false));
  return make("div", "sw-side-by-side", [
    summary, make("div", "sw-sights", sights.map((sight) => sight.node)), scale.node,
    make("div", "sw-pairs", [width, pairs.list, help(desk.t("compare_signs"))]), numbers.node,
  ]);
}
