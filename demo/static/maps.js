// Attention maps in the browser. Python sends grids, matrices and colours (captioner/overlay.py); here they are only
// multiplied and looked up:  layer (h, w) = rows (h, H) · map (H, W) · columns (w, W) transposed.

const FULL = 65535;

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// Little-endian 16-bit fractions of `peak`.
function decodeFractions(text, peak) {
  const bytes = new DataView(decodeBytes(text).buffer);
  return Float32Array.from({ length: bytes.byteLength / 2 }, (_, i) => (bytes.getUint16(2 * i, true) / FULL) * peak);
}

// Everything needed to draw any map of one result: `layerOf(index, style)` gives its weights at every pixel.
function readMaps(view) {
  const [height, width] = view.grid;
  const size = { width: view.photo.layer_width, height: view.photo.layer_height };
  const weights = decodeFractions(view.maps.fractions, view.maps.peak);
  const matrices = Object.fromEntries(["smooth", "cells"].map((style) => [style, {
    rows: decodeFractions(view[style].rows, 1),
    columns: decodeFractions(view[style].columns, 1),
  }]));
  const colours = new Uint32Array(decodeBytes(view.palette).buffer);

  function layerOf(index, style) {
    const map = weights.subarray(index * height * width, (index + 1) * height * width);
    const { rows, columns } = matrices[style];
    const layer = new Float32Array(size.height * size.width);
    const spread = new Float32Array(width);
    for (let y = 0; y < size.height; y += 1) {
      spread.fill(0); // one row of rows · map
      for (let row = 0; row < height; row += 1) {
        const share = rows[y * height + row];
        if (share === 0) continue;
        for (let column = 0; column < width; column += 1) spread[column] += share * map[row * width + column];
      }
      for (let x = 0; x < size.width; x += 1) {
        let sum = 0;
        for (let column = 0; column < width; column += 1) sum += columns[x * width + column] * spread[column];
        layer[y * size.width + x] = sum;
      }
    }
    return layer;
  }

  // A canvas the size of the layer, coloured on a scale from 0 to `top`.
  function paint(index, style, top) {
    const canvas = document.createElement("canvas");
    canvas.width = size.width;
    canvas.height = size.height;
    const picture = new ImageData(size.width, size.height);
    const pixels = new Uint32Array(picture.data.buffer);
    const layer = layerOf(index, style);
    const factor = top > 0 ? 255 / top : 0;
    for (let i = 0; i < layer.length; i += 1) pixels[i] = colours[Math.min(255, Math.round(layer[i] * factor))];
    canvas.getContext("2d").putImageData(picture, 0, 0);
    return canvas;
  }

  return { size, total: height * width, colours, paint };
}

// The colour bar of the legend: the palette from 0 to the top of the scale.
function paintLegend(canvas, colours) {
  canvas.width = 256;
  canvas.height = 1;
  const picture = new ImageData(256, 1);
  new Uint32Array(picture.data.buffer).set(colours);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
