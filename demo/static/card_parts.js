// Pieces of the cards: equations, worked numbers, grids of cells to choose from.

const POSITIVE = [20, 150, 138];
const NEGATIVE = [217, 119, 6];
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// Text with _x or _{xy} below the line and ^x or ^{xy} above it.
function equation(text) {
  const line = make("span", "sw-equation");
  for (const part of text.split(/([_^](?:\{[^}]*\}|.))/)) {
    if (/^[_^]./.test(part)) line.append(make(part[0] === "_" ? "sub" : "sup", null, part.slice(1).replace(/[{}]/g, "")));
    else line.append(part);
  }
  return line;
}

// A number with about three digits that count.
function brief(value) {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.0005) {
    const power = Math.floor(Math.log10(size));
    const raised = [...String(-power)].map((digit) => SUPERSCRIPTS[digit]).join("");
    return `${(value / 10 ** power).toFixed(1)} × 10⁻${raised}`.replace("-", "−");
  }
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3).replace("-", "−");
}

// a − b, written so that two signs never meet.
function difference(a, b) {
  return `${brief(a)} ${b < 0 ? "+" : "−"} ${brief(Math.abs(b))}`;
}

// a + b, likewise.
function addition(a, b) {
  return `${brief(a)} ${b < 0 ? "−" : "+"} ${brief(Math.abs(b))}`;
}

// Shares far below what `percent` tells apart.
function finePercent(share) {
  return share >= 0.001 ? percent(share) : `${brief(share * 100)} %`;
}

// A line of working: what it is about, and the sum.
function working(label, sum) {
  return make("div", "sw-working", [make("span", "sw-working-label", label), equation(sum)]);
}

// A table that scrolls by itself where it is wider than the card; the first cell of a row is its heading.
function workedTable(label, head, rows) {
  const cells = (row, tag) => row.map((cell, place) => make(place === 0 && tag === "td" ? "th" : tag, null, [cell], tag === "th" ? { scope: "col" } : place === 0 ? { scope: "row" } : {}));
  const body = make("tbody", null, rows.map(({ row, kind }) => make("tr", kind || null, cells(row, "td"))));
  const table = make("table", "sw-worked", [make("thead", null, [make("tr", null, cells(head, "th"))]), body]);
  return make("div", "sw-worked-frame", [table], { role: "region", "aria-label": label, tabindex: 0, "data-keep": "table" });
}

// One value a cell; negative ones in another colour, deeper where they are larger.
function cellCanvas(values, rows, columns, largest) {
  const canvas = make("canvas", "sw-cells", null, { width: columns, height: rows, "aria-hidden": "true" });
  const picture = new ImageData(columns, rows);
  values.forEach((value, place) => {
    const share = largest > 0 ? Math.min(1, Math.abs(value) / largest) : 0;
    picture.data.set([...(value < 0 ? NEGATIVE : POSITIVE), Math.round(255 * share)], 4 * place);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

// A small grid with a name below it.
function namedGrid(desk, values, name) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const frame = make("span", "sw-cells-frame", [cellCanvas(values, desk.maps.height, desk.maps.width, largest), cellOutline(desk)]);
  return make("figure", "sw-named", [frame, make("figcaption", null, name)]);
}

// The word on the cards is the one chosen, not the one pointed at: a pointer that passes by asks the server nothing.
function boxWord(desk) {
  return desk.caption().words[desk.state.word];
}

function boxWeights(desk) {
  const word = boxWord(desk);
  return word ? desk.maps.weightsOf(word.map) : new Float32Array(desk.maps.total);
}

// The cell the numbers are about: the visitor's, else the one with the most attention.
function boxCell(desk) {
  const { boxCell: chosen } = desk.state;
  if (chosen !== null && chosen !== undefined) return chosen;
  const weights = boxWeights(desk);
  return weights.reduce((best, weight, cell) => (weight > weights[best] ? cell : best), 0);
}

function cellName(desk, cell) {
  const { width } = desk.maps;
  return desk.t("box_cell", { row: Math.floor(cell / width) + 1, column: (cell % width) + 1 });
}

// The frame around the chosen cell, on whatever is as large as the grid.
function cellOutline(desk) {
  const outline = make("span", "sw-box-cell", null, { "aria-hidden": "true" });
  placeOutline(desk, outline);
  return outline;
}

function placeOutline(desk, outline) {
  const { width, height } = desk.maps;
  const cell = boxCell(desk);
  outline.style.setProperty("--sw-left", `${((cell % width) / width) * 100}%`);
  outline.style.setProperty("--sw-top", `${(Math.floor(cell / width) / height) * 100}%`);
  outline.style.setProperty("--sw-wide", `${100 / width}%`);
  outline.style.setProperty("--sw-high", `${100 / height}%`);
}

// The photo with its cells: click on one, or move with the arrow keys. `square`: squashed as the network gets it.
function cellPicker(desk, { square = false, map = true, value = "" } = {}) {
  const { width, height, total, size } = desk.maps;
  const cell = boxCell(desk);
  const photo = make("img", "sw-cellpick-photo", null, { src: desk.view.photo.address, alt: "", draggable: "false" });
  const layer = make("canvas", "sw-cellpick-map", null, { width: size.width, height: size.height, "aria-hidden": "true" });
  const word = boxWord(desk);
  if (map && word) layer.getContext("2d").drawImage(desk.maps.paint(word.map, 0, desk.caption().cells), 0, 0);
  const picker = make("div", "sw-cellpick", [photo, layer, make("span", "sw-cellpick-lines"), cellOutline(desk)], {
    role: "slider", tabindex: 0, "data-keep": "cells", "aria-label": desk.t("box_cells_label"), "aria-valuemin": 1,
    "aria-valuemax": total, "aria-valuenow": cell + 1, "aria-valuetext": cellName(desk, cell) + value,
  });
  picker.style.aspectRatio = square ? "1" : `${size.width} / ${size.height}`;
  picker.style.setProperty("--sw-wide", `${100 / width}%`);
  picker.style.setProperty("--sw-high", `${100 / height}%`);
  picker.addEventListener("click", (event) => {
    const box = picker.getBoundingClientRect();
    const inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const column = inside((event.clientX - box.left) / box.width, width);
    desk.change({ boxCell: inside((event.clientY - box.top) / box.height, height) * width + column });
  });
  picker.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!way) return;
    event.preventDefault();
    const [row, column] = [Math.floor(cell / width) + way[0], (cell % width) + way[1]];
    if (row >= 0 && row < height && column >= 0 && column < width) desk.change({ boxCell: row * width + column });
  });
  return picker;
}

// The picker with the name of its cell and the way back to the strongest one. `shares`: those the model has just told, in
// place of the map's; for a recorded result they differ a little, since the photo as shown is not the file.
function cellChooser(desk, { shares, ...options } = {}) {
  const cell = boxCell(desk);
  const value = options.map === false ? "" : `: ${finePercent((shares || boxWeights(desk))[cell])}`;
  const back = button("sw-button", desk.t("box_strongest"), { "data-keep": "strongest" });
  back.disabled = desk.state.boxCell === null;
  back.addEventListener("click", () => desk.change({ boxCell: null }));
  const line = make("div", "sw-cellpick-line", [make("span", null, cellName(desk, cell) + value), back]);
  return make("div", "sw-cellpick-frame", [cellPicker(desk, { ...options, value }), line]);
}

// Rows with a bar as long as their share.
function shareRows(rows) {
  return make("ol", "sw-share-rows", rows.map(({ name, share, value, on }) => {
    const row = make("li", on ? "sw-rival sw-chosen" : "sw-rival", [make("span", "sw-rival-word", [name].flat()), make("span", "sw-rival-share", value)]);
    row.style.setProperty("--sw-share", Math.max(0, Math.min(1, share)));
    return row;
  }));
}

// A figure beside its numbers.
function sideBySide(...nodes) {
  return make("div", "sw-box-sides", nodes);
}
