// Attention maps in the browser. Python sends grids, matrices and colours (captioner/overlay.py); here they are only
// multiplied and looked up:  layer (h, w) = rows (h, H) · map (H, W) · columns (w, W) transposed.

const FULL = 65535;
const LAYERS_KEPT = 48; // painted layers, about a megabyte each

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// Little-endian 16-bit fractions of `peak`.
function decodeFractions(text, peak) {
  const bytes = new DataView(decodeBytes(text).buffer);
  return Float32Array.from({ length: bytes.byteLength / 2 }, (_, i) => (bytes.getUint16(2 * i, true) / FULL) * peak);
}

// layer (h, w) of one map (H, W), added to `layer` with the factor `share`.
function addLayer(layer, map, matrix, height, width, size, share) {
  const { rows, columns } = matrix;
  const spread = new Float32Array(width);
  for (let y = 0; y < size.height; y += 1) {
    spread.fill(0); // one row of rows · map
    for (let row = 0; row < height; row += 1) {
      const weight = rows[y * height + row] * share;
      if (weight === 0) continue;
      for (let column = 0; column < width; column += 1) spread[column] += weight * map[row * width + column];
    }
    for (let x = 0; x < size.width; x += 1) {
      let sum = 0;
      for (let column = 0; column < width; column += 1) sum += columns[x * width + column] * spread[column];
      layer[y * size.width + x] += sum;
    }
  }
}

const NATIVE = -1; // the blend that shows the cells a stretched grid was made of

function isStretched(view) {
  return view.grid[0] !== view.native[0] || view.grid[1] !== view.native[1];
}

// How much of each way to draw there is in a blend: from 0, the raw cells, to 1, smoothed, or to -1, the cells that the
// network computed before its grid was stretched. All are linear, so that mixing their weights is exact.
function sharesOf(blend) {
  return { smooth: Math.max(0, blend), cells: 1 - Math.abs(blend), native: Math.max(0, -blend) };
}

// The top of a caption's scale.
function topOf(caption, blend) {
  return Object.entries(sharesOf(blend)).reduce((sum, [style, share]) => sum + (share && share * caption[style]), 0);
}

// Everything needed to draw any map of one result.
function readMaps(view) {
  const [height, width] = view.grid;
  const total = height * width;
  const size = { width: view.photo.layer_width, height: view.photo.layer_height };
  const weights = decodeFractions(view.maps.fractions, view.maps.peak);
  const packed = Object.entries({ smooth: view.smooth, cells: view.cells, native: view.native_cells }).filter(([, matrix]) => matrix);
  const matrices = Object.fromEntries(packed.map(([style, { rows, columns }]) => [style, {
    rows: decodeFractions(rows, 1), columns: decodeFractions(columns, 1),
  }]));
  const colours = new Uint32Array(decodeBytes(view.palette).buffer);
  const painted = new Map(); // oldest first

  const weightsOf = (index) => weights.subarray(index * total, (index + 1) * total);

  // Any weights on the grid (H * W), as a layer.
  function spread(map, blend) {
    const layer = new Float32Array(size.height * size.width);
    for (const [style, share] of Object.entries(sharesOf(blend))) {
      if (share) addLayer(layer, map, matrices[style], height, width, size, share);
    }
    return layer;
  }
  const layerOf = (index, blend) => spread(weightsOf(index), blend);

  // A canvas the size of the layer, coloured on a scale from 0 to `top`.
  function paint(index, blend, top) {
    const key = `${index} ${blend} ${top}`;
    const kept = painted.get(key);
    painted.delete(key);
    const canvas = kept || paintLayer(layerOf(index, blend), size, colours, top);
    painted.set(key, canvas);
    if (painted.size > LAYERS_KEPT) painted.delete(painted.keys().next().value);
    return canvas;
  }

  // The weight of a cell when all have the same.
  function evenShare(blend) {
    const { native } = sharesOf(blend);
    return (1 - native) / total + native / (view.native[0] * view.native[1]);
  }

  const leastBlend = matrices.native ? NATIVE : 0;
  return { size, height, width, total, colours, leastBlend, weightsOf, layerOf, spread, paint, evenShare };
}

// A canvas with one colour of `colours` (256, as RGBA) for each weight, on a scale from 0 to `top`.
function paintLayer(layer, size, colours, top) {
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  const picture = new ImageData(size.width, size.height);
  const pixels = new Uint32Array(picture.data.buffer);
  const factor = top > 0 ? 255 / top : 0;
  for (let i = 0; i < layer.length; i += 1) pixels[i] = colours[Math.min(255, Math.round(layer[i] * factor))];
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

// The colour bar of the legend: the palette from 0 to the top of the scale.
function paintLegend(canvas, colours) {
  canvas.width = 256;
  canvas.height = 1;
  const picture = new ImageData(256, 1);
  new Uint32Array(picture.data.buffer).set(colours);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
