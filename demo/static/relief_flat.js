// The relief drawn without a graphics card: fewer and larger pieces, the farthest first.

const PIECE = 3; // points of the mesh along a piece's side
const LIGHT = [-0.48, 0.79, 0.39]; // where the light comes from; the card's is the same

function drawWithPen(canvas, mesh, photo, colours) {
  const context = canvas.getContext("2d");
  if (!context) return null;
  const ground = photoColours(mesh, photo);
  const palette = new Uint8ClampedArray(colours.buffer);
  function draw(scene) {
    const eye = eyeMatrix(scene.eye, canvas.width / canvas.height);
    const mix = (i, part) => scene.from[3 * i + part] * (1 - scene.way) + scene.to[3 * i + part] * scene.way;
    const pieces = [];
    const point = (i) => seen(eye, mesh.places[3 * i], mesh.places[3 * i + 2] > 1.5 ? -SLAB : mix(i, 0) * scene.lift, mesh.places[3 * i + 1]);
    const add = (corners, colour) => {
      const points = corners.map(point);
      pieces.push({ points, colour, away: points.reduce((sum, p) => sum + p[2], 0) });
    };
    for (let r = 0; r < mesh.rows - 1; r += PIECE) {
      for (let c = 0; c < mesh.columns - 1; c += PIECE) {
        const [right, front] = [Math.min(mesh.columns - 1, c + PIECE), Math.min(mesh.rows - 1, r + PIECE)];
        const corner = (row, column) => row * mesh.columns + column;
        const middle = corner(Math.floor((r + front) / 2), Math.floor((c + right) / 2));
        add([corner(r, c), corner(r, right), corner(front, right), corner(front, c)], pieceColour(scene, ground, palette, middle, mix));
      }
    }
    const rim = mesh.rim.length;
    for (let i = 0; i < rim; i += 1) {
      const [a, b] = [mesh.surface + i, mesh.surface + ((i + 1) % rim)];
      add([a, b, b + rim, a + rim], "#78716c");
    }
    paintPieces(context, canvas, pieces.sort((a, b) => b.away - a.away), scene.grid);
  }
  return { name: "canvas", draw, free: () => undefined };
}

function paintPieces(context, canvas, pieces, grid) {
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineJoin = "round";
  for (const { points, colour } of pieces) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(((x + 1) / 2) * canvas.width, ((1 - y) / 2) * canvas.height);
    context.closePath();
    context.fillStyle = colour;
    context.strokeStyle = grid ? "#ffffff66" : colour; // a line of its own colour leaves no gap
    context.fill();
    context.stroke();
  }
}

// Red, green, blue of the photo under every point.
function photoColours(mesh, photo) {
  const small = document.createElement("canvas");
  small.width = mesh.columns;
  small.height = mesh.rows;
  const context = small.getContext("2d");
  context.drawImage(photo, 0, 0, mesh.columns, mesh.rows);
  return context.getImageData(0, 0, mesh.columns, mesh.rows).data;
}

function pieceColour(scene, ground, palette, place, mix) {
  let colour = [0, 1, 2].map((part) => ground[4 * place + part]);
  if (scene.colours) {
    const tint = 4 * Math.round(255 * Math.max(0, Math.min(1, mix(place, 0))));
    const grey = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2];
    const share = (palette[tint + 3] / 255) * 0.85;
    colour = colour.map((value, part) => ((value + grey) / 2) * (1 - share) + palette[tint + part] * share);
  }
  const normal = [-1.3 * mix(place, 1) * scene.lift, 1, -1.3 * mix(place, 2) * scene.lift]; // a little steeper than it is, to be read
  const light = normal.reduce((sum, value, axis) => sum + value * LIGHT[axis], 0) / Math.hypot(...normal);
  const shine = 0.36 + 0.82 * Math.max(light, 0) + 0.15 * Math.min(light, 0);
  return `rgb(${colour.map((value) => Math.min(255, Math.round(value * shine))).join(",")})`;
}
