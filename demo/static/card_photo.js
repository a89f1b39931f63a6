// The first cards: the photo becomes pixels, the pixels become maps, the maps become annotations.

const COLOUR_NAMES = ["box_red", "box_green", "box_blue"];

function sumOfPixel(value, mean, deviation) {
  return `(${value} ÷ 255 − ${mean}) ÷ ${deviation} = ${brief((value / 255 - mean) / deviation)}`;
}

const PIXELS_CARD = {
  name: "pixels",
  needs: "stages",
  here: true,
  lit: ["stage"],
  cell: true,
  equations: ["x = (v ÷ 255 − m) ÷ d"],
  did: (desk, then) => desk.state.boxCell !== null && desk.state.boxCell !== then.boxCell,
  figure(desk, seen) {
    const picker = cellChooser(desk, { square: true, map: false });
    if (!seen) return sideBySide(picker);
    const middles = decodeBytes(seen.middles);
    const cell = boxCell(desk);
    const colour = [...middles.subarray(3 * cell, 3 * cell + 3)];
    const swatch = make("span", "sw-swatch", null, { "aria-hidden": "true" });
    swatch.style.background = `rgb(${colour.join(",")})`;
    const sums = colour.map((value, place) => working(desk.t(COLOUR_NAMES[place]), sumOfPixel(value, seen.mean[place], seen.deviation[place])));
    const { width, height } = desk.view.photo;
    const size = desk.t(seen.detail ? "box_squashed_detail" : "box_squashed", { width, height, size: seen.size, detail: seen.detail });
    return sideBySide(picker, make("div", "sw-sums", [make("p", null, size), make("p", "sw-swatch-line", [swatch, make("span", null, desk.t("box_middle"))]), ...sums]));
  },
};

// The maps of a stage as canvases, decoded when drawn.
function stageMap(stage, place) {
  const [rows, columns] = stage.shown;
  const levels = decodeBytes(stage.maps).subarray(place * rows * columns, (place + 1) * rows * columns);
  const canvas = make("canvas", "sw-cells", null, { width: columns, height: rows, "aria-hidden": "true" });
  const picture = new ImageData(columns, rows);
  levels.forEach((level, index) => picture.data.set([level, level, level, 255], 4 * index));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function stageRow(desk, stage, index, last) {
  const pictures = stage.channels.map((channel, place) => {
    const key = `${index} ${place}`;
    const label = desk.t("box_map_label", { place: stage.place, channel, size: `${stage.height} × ${stage.width}` });
    const tile = button("sw-feature", [stageMap(stage, place), make("span", null, desk.t("box_channel", { channel }))], {
      "aria-label": label, "aria-pressed": String(desk.state.boxMap === key), "data-keep": key,
    });
    tile.addEventListener("click", () => desk.change({ boxMap: key, boxLast: last }));
    return tile;
  });
  const name = desk.t("box_stage", { place: stage.place, places: stage.places, size: `${stage.height} × ${stage.width}`, total: stage.total });
  return make("section", "sw-stage-row", [make("h5", null, name), make("div", "sw-features", pictures)]);
}

const STAGES_CARD = {
  name: "stages",
  needs: "stages",
  here: true,
  lit: ["stage"],
  watch: ["boxMap"],
  equations: [],
  did: (desk, then) => Boolean(desk.state.boxLast) && desk.state.boxMap !== then.boxMap,
  figure(desk, seen) {
    if (!seen) return help(desk.t("box_stages_without"));
    const [index, place] = (desk.state.boxMap || `0 0`).split(" ").map(Number);
    const stage = seen.stages[index];
    const values = { place: stage.place, channel: stage.channels[place], size: `${stage.height} × ${stage.width}` };
    const range = desk.t("box_range", { low: brief(stage.lows[place]), high: brief(stage.highs[place]), strength: brief(stage.strengths[place]) });
    const photo = make("img", "sw-enlarged-photo", null, { src: desk.view.photo.address, alt: "" });
    const enlarged = make("div", "sw-enlarged", [photo, stageMap(stage, place), make("p", null, `${desk.t("box_map_label", values)}. ${range}`)]);
    const averaged = seen.stages.some((one) => one.height > one.shown[0]) ? ` ${desk.t("box_averaged")}` : "";
    return make("div", "sw-stage-rows", [
      enlarged, make("div", null, seen.stages.map((one, at) => stageRow(desk, one, at, at === seen.stages.length - 1))), help(desk.t("box_strength") + averaged),
    ]);
  },
};

const GRID_CARD = {
  name: "grid",
  needs: "inside",
  lit: ["styles", "stage"],
  cell: true,
  equations: ["a = { a_1, …, a_L },  a_i ∈ ℝ^D"],
  did: (desk) => desk.state.blend === 0 && !desk.state.plain,
  figure(desk, inside) {
    const { height, width, total } = desk.maps;
    const cell = boxCell(desk);
    const lines = [make("p", null, desk.t("box_grid_size", { rows: height, columns: width, total }))];
    if (inside) {
      lines.push(make("p", null, desk.t(inside.normalised ? "box_annotation_normalised" : "box_annotation", { count: inside.sizes.annotation, cell: cell + 1 })));
      inside.context.channels.forEach((channel, place) => lines.push(working(desk.t("box_channel", { channel }), `a_{${cell + 1},${channel}} = ${brief(inside.context.annotations[place][cell])}`)));
      lines.push(help(desk.t("box_four_of", { count: inside.sizes.annotation })));
    }
    return sideBySide(cellChooser(desk, { map: false }), make("div", "sw-sums", lines));
  },
};
