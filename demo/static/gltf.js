// The relief as a file: binary glTF 2.0, a header, a chunk of JSON and a chunk of bytes, with the photo inside.

const GLB_MAGIC = 0x46546c67; // "glTF"
const [GLB_JSON, GLB_BYTES] = [0x4e4f534a, 0x004e4942];
const [GL_FLOAT, GL_SHORT, GL_POINTS, GL_JOINS] = [5126, 5123, 34962, 34963];

// mesh, heights: see relief_mesh.js. lift: how high the top of the scale stands. name: of the thing; photo: its JPEG.
function makeGlb(mesh, heights, lift, name, photo) {
  const { positions, normals, spots } = glbPoints(mesh, heights, lift);
  const joins = mesh.joins.slice(0, 6 * (mesh.columns - 1) * (mesh.rows - 1)); // the surface's alone
  const parts = [positions, normals, spots, joins, photo];
  const starts = [];
  let length = 0;
  for (const part of parts) {
    starts.push(length);
    length += part.byteLength + (-part.byteLength & 3);
  }
  const views = parts.map((part, i) => ({
    buffer: 0, byteOffset: starts[i], byteLength: part.byteLength, ...(i < 4 ? { target: i < 3 ? GL_POINTS : GL_JOINS } : {}),
  }));
  const count = mesh.surface;
  const json = {
    asset: { version: "2.0", generator: "SayWhere" },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0, name }],
    meshes: [{ name, extras: { lift }, primitives: [{ attributes: { POSITION: 0, NORMAL: 1, TEXCOORD_0: 2 }, indices: 3, material: 0 }] }],
    materials: [{ name: "photo", doubleSided: true, pbrMetallicRoughness: { baseColorTexture: { index: 0 }, metallicFactor: 0, roughnessFactor: 1 } }],
    textures: [{ source: 0, sampler: 0 }],
    samplers: [{ magFilter: 9729, minFilter: 9729, wrapS: 33071, wrapT: 33071 }],
    images: [{ bufferView: 4, mimeType: "image/jpeg" }],
    accessors: [
      { bufferView: 0, componentType: GL_FLOAT, count, type: "VEC3", ...boundsOf(positions) },
      { bufferView: 1, componentType: GL_FLOAT, count, type: "VEC3" },
      { bufferView: 2, componentType: GL_FLOAT, count, type: "VEC2" },
      { bufferView: 3, componentType: GL_SHORT, count: joins.length, type: "SCALAR" },
    ],
    bufferViews: views,
    buffers: [{ byteLength: length }],
  };
  const bytes = new Uint8Array(length);
  parts.forEach((part, i) => bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), starts[i]));
  return packGlb(new TextEncoder().encode(JSON.stringify(json)), bytes);
}

// Places, directions and spots of the photo for every point of the surface. x: right, y: up, z: to the front.
function glbPoints(mesh, heights, lift) {
  const slopes = slopesOf(mesh, heights);
  const positions = new Float32Array(3 * mesh.surface);
  const normals = new Float32Array(3 * mesh.surface);
  const spots = new Float32Array(2 * mesh.surface);
  for (let i = 0; i < mesh.surface; i += 1) {
    positions.set([mesh.places[3 * i], heights[i] * lift, mesh.places[3 * i + 1]], 3 * i);
    const normal = [-slopes[3 * i + 1] * lift, 1, -slopes[3 * i + 2] * lift];
    const long = Math.hypot(...normal);
    normals.set(normal.map((value) => value / long), 3 * i);
    spots.set([(i % mesh.columns) / (mesh.columns - 1), Math.floor(i / mesh.columns) / (mesh.rows - 1)], 2 * i);
  }
  return { positions, normals, spots };
}

function boundsOf(positions) {
  const min = [Infinity, Infinity, Infinity];
  const max = [-Infinity, -Infinity, -Infinity];
  positions.forEach((value, i) => {
    min[i % 3] = Math.min(min[i % 3], value);
    max[i % 3] = Math.max(max[i % 3], value);
  });
  return { min, max };
}

// Every chunk is as long as a multiple of 4: JSON ends in spaces, bytes end in zeros.
function packGlb(json, bytes) {
  const room = json.length + (-json.length & 3);
  const whole = new Uint8Array(12 + 8 + room + 8 + bytes.length).fill(0x20);
  const numbers = new DataView(whole.buffer);
  const write = (place, values) => values.forEach((value, i) => numbers.setUint32(place + 4 * i, value, true));
  write(0, [GLB_MAGIC, 2, whole.length, room, GLB_JSON]);
  whole.set(json, 20);
  write(20 + room, [bytes.length, GLB_BYTES]);
  whole.set(bytes, 28 + room);
  return whole;
}
