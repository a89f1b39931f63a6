// The map of a word as a surface over the photo: its points, how they are joined, and the eye that looks at them.
// The photo's longer side is 1 long; a height of 1 is the top of the caption's scale.

const MESH_SIDE = 128; // quads along the longer side
const SLAB = 0.05; // how thick the block below a height of 0 is

// Points row after row, then the block's sides: the rim again, and the rim at the block's foot.
function makeMesh(size) {
  const longer = Math.max(size.width, size.height);
  const wide = size.width / longer;
  const deep = size.height / longer;
  const columns = Math.max(2, Math.round(MESH_SIDE * wide)) + 1;
  const rows = Math.max(2, Math.round(MESH_SIDE * deep)) + 1;
  const rim = rimOf(columns, rows);
  const surface = columns * rows;
  const places = new Float32Array(3 * (surface + 2 * rim.length)); // x, z, part: 0 surface, 1 rim, 2 foot
  for (let i = 0; i < surface; i += 1) {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    places.set([(column / (columns - 1) - 0.5) * wide, (row / (rows - 1) - 0.5) * deep, 0], 3 * i);
  }
  rim.forEach((point, i) => {
    const [x, z] = [places[3 * point], places[3 * point + 1]];
    places.set([x, z, 1], 3 * (surface + i));
    places.set([x, z, 2], 3 * (surface + rim.length + i));
  });
  return { wide, deep, columns, rows, surface, rim, places, joins: joinPoints(columns, rows, rim.length) };
}

// The points at the edge, once round.
function rimOf(columns, rows) {
  const rim = [];
  for (let c = 0; c < columns - 1; c += 1) rim.push(c);
  for (let r = 0; r < rows - 1; r += 1) rim.push(r * columns + columns - 1);
  for (let c = columns - 1; c > 0; c -= 1) rim.push((rows - 1) * columns + c);
  for (let r = rows - 1; r > 0; r -= 1) rim.push(r * columns);
  return rim;
}

// Two triangles for each quad of the surface, counter-clockwise seen from above, then those of the sides.
function joinPoints(columns, rows, rim) {
  const joins = [];
  for (let r = 0; r < rows - 1; r += 1) {
    for (let c = 0; c < columns - 1; c += 1) {
      const a = r * columns + c;
      joins.push(a, a + columns, a + 1, a + 1, a + columns, a + columns + 1);
    }
  }
  const surface = columns * rows;
  for (let i = 0; i < rim; i += 1) {
    const [a, b] = [surface + i, surface + ((i + 1) % rim)];
    joins.push(a, b, a + rim, b, b + rim, a + rim);
  }
  return new Uint16Array(joins);
}

// Heights of the surface's points for a layer of weights, on a scale from 0 to `top`.
function heightsOf(mesh, layer, size, top) {
  const heights = new Float32Array(mesh.surface);
  if (!(top > 0)) return heights;
  const place = (step, steps, length) => Math.min(length - 1, Math.floor((step / steps) * length));
  for (let i = 0; i < mesh.surface; i += 1) {
    const x = place(i % mesh.columns, mesh.columns - 1, size.width);
    const y = place(Math.floor(i / mesh.columns), mesh.rows - 1, size.height);
    heights[i] = layer[y * size.width + x] / top;
  }
  return heights;
}

// For every point of the mesh its height and how fast that grows to the right and to the front.
function slopesOf(mesh, heights) {
  const { columns, rows, surface, rim } = mesh;
  const slopes = new Float32Array(3 * (surface + 2 * rim.length));
  for (let i = 0; i < surface; i += 1) {
    const [c, r] = [i % columns, Math.floor(i / columns)];
    const [left, right] = [Math.max(0, c - 1), Math.min(columns - 1, c + 1)];
    const [back, front] = [Math.max(0, r - 1), Math.min(rows - 1, r + 1)];
    const across = ((right - left) / (columns - 1)) * mesh.wide;
    const along = ((front - back) / (rows - 1)) * mesh.deep;
    slopes[3 * i] = heights[i];
    slopes[3 * i + 1] = (heights[r * columns + right] - heights[r * columns + left]) / across;
    slopes[3 * i + 2] = (heights[front * columns + c] - heights[back * columns + c]) / along;
  }
  rim.forEach((point, i) => {
    slopes[3 * (surface + i)] = heights[point];
    slopes[3 * (surface + rim.length + i)] = heights[point];
  });
  return slopes;
}

// What the eye sees from a place on a sphere round the block, as a column-major 4 x 4 matrix.
// yaw, pitch: radians; zoom: 1 shows the whole block; aspect: width by height of the canvas.
function eyeMatrix({ yaw, pitch, zoom }, aspect) {
  const far = (2.15 / zoom) * Math.max(1, 1.25 / aspect);
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  const right = [cy, 0, -sy];
  const up = [-sy * sp, cp, -cy * sp];
  const back = [sy * cp, sp, cy * cp];
  const lens = 1 / Math.tan(0.33);
  const [near, end] = [0.05, 12];
  const [depth, shift] = [(end + near) / (near - end), (2 * end * near) / (near - end)];
  const centre = -0.08; // the block stands a little low, so that its peaks stay in sight
  const rowsOf = [right.map((v) => (v * lens) / aspect), up.map((v) => v * lens), back.map((v) => v * depth), back.map((v) => -v)];
  const matrix = [];
  for (let axis = 0; axis < 3; axis += 1) for (const row of rowsOf) matrix.push(row[axis]);
  return new Float32Array([...matrix, 0, centre * lens, shift - far * depth, far]);
}

// A point as the eye sees it: x and y from -1 to 1, and how far away it is.
function seen(matrix, x, y, z) {
  const at = (row) => matrix[row] * x + matrix[row + 4] * y + matrix[row + 8] * z + matrix[row + 12];
  const away = at(3);
  return [at(0) / away, at(1) / away, away];
}
