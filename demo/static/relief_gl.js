// The relief drawn by the graphics card: one small program, one draw.

const RELIEF_POINTS = `
attribute vec3 place;
attribute vec3 from;
attribute vec3 to;
uniform mat4 eye;
uniform vec2 extent;
uniform float way;
uniform float lift;
uniform float slab;
varying vec2 spot;
varying vec3 slope;
varying float part;
void main() {
  vec3 height = mix(from, to, way);
  float y = place.z > 1.5 ? -slab : height.x * lift;
  spot = place.xy / extent + 0.5;
  slope = vec3(height.x, -height.yz * lift);
  part = place.z;
  gl_Position = eye * vec4(place.x, y, place.y, 1.0);
}`;
const RELIEF_PIXELS = `
#extension GL_OES_standard_derivatives : enable
precision mediump float;
uniform sampler2D photo;
uniform sampler2D palette;
uniform vec2 cells;
uniform float colours;
uniform float grid;
varying vec2 spot;
varying vec3 slope;
varying float part;
void main() {
  if (part > 0.0) {
    float side = min(spot.x, 1.0 - spot.x) < min(spot.y, 1.0 - spot.y) ? 0.36 : 0.5;
    gl_FragColor = vec4(vec3(side, side * 0.97, side * 0.95), 1.0);
    return;
  }
  vec3 ground = texture2D(photo, spot).rgb;
  vec4 tint = texture2D(palette, vec2(clamp(slope.x, 0.0, 1.0) * 0.996 + 0.002, 0.5));
  float grey = dot(ground, vec3(0.2126, 0.7152, 0.0722));
  ground = mix(ground, mix(mix(vec3(grey), ground, 0.5), tint.rgb, tint.a * 0.85), colours);
  vec3 normal = normalize(vec3(slope.y * 1.3, 1.0, slope.z * 1.3));
  float light = dot(normal, normalize(vec3(-0.55, 0.9, 0.45)));
  float shine = 0.36 + 0.82 * max(light, 0.0) + 0.15 * min(light, 0.0);
#ifdef GL_OES_standard_derivatives
  vec2 near = abs(fract(spot * cells - 0.5) - 0.5) / max(fwidth(spot * cells), vec2(0.00001));
  float line = 1.0 - min(min(near.x, near.y), 1.0);
#else
  vec2 near = abs(fract(spot * cells - 0.5) - 0.5);
  float line = 1.0 - step(0.02, min(near.x, near.y));
#endif
  gl_FragColor = vec4(mix(ground * shine, vec3(1.0), line * grid * 0.6), 1.0);
}`;

// A function that draws, or null where there is no WebGL. `scene`: see relief.js.
function drawWithCard(canvas, mesh, photo, colours) {
  const gl = canvas.getContext("webgl", { antialias: true, alpha: true });
  if (!gl) return null;
  gl.getExtension("OES_standard_derivatives");
  const program = buildProgram(gl);
  return program && drawWithProgram(gl, program, canvas, mesh, photo, colours);
}

function drawWithProgram(gl, program, canvas, mesh, photo, colours) {
  const at = (name) => gl.getUniformLocation(program, name);
  const uniform = Object.fromEntries(["eye", "extent", "way", "lift", "slab", "photo", "palette", "cells", "colours", "grid"].map((name) => [name, at(name)]));
  gl.useProgram(program);
  const buffers = Object.fromEntries(["place", "from", "to"].map((name) => [name, pointBuffer(gl, program, name)]));
  fillBuffer(gl, buffers.place, mesh.places);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.joins, gl.STATIC_DRAW);
  gl.enable(gl.DEPTH_TEST);
  texture(gl, 0, photo);
  texture(gl, 1, new ImageData(new Uint8ClampedArray(colours.buffer), 256, 1));
  let held = {};
  function draw(scene) {
    for (const name of ["from", "to"]) {
      if (held[name] !== scene[name]) fillBuffer(gl, buffers[name], scene[name]);
    }
    held = { from: scene.from, to: scene.to };
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix4fv(uniform.eye, false, eyeMatrix(scene.eye, canvas.width / canvas.height));
    gl.uniform2f(uniform.extent, mesh.wide, mesh.deep);
    gl.uniform2f(uniform.cells, scene.cells[0], scene.cells[1]);
    for (const [name, value] of [["way", scene.way], ["lift", scene.lift], ["slab", SLAB], ["colours", scene.colours ? 1 : 0], ["grid", scene.grid ? 1 : 0]]) {
      gl.uniform1f(uniform[name], value);
    }
    gl.uniform1i(uniform.photo, 0);
    gl.uniform1i(uniform.palette, 1);
    gl.drawElements(gl.TRIANGLES, mesh.joins.length, gl.UNSIGNED_SHORT, 0);
  }
  const free = () => {
    const extension = gl.getExtension("WEBGL_lose_context");
    if (extension) extension.loseContext();
  };
  return { name: "webgl", draw, free };
}

function buildProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, RELIEF_POINTS], [gl.FRAGMENT_SHADER, RELIEF_PIXELS.trim()]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

function pointBuffer(gl, program, name) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  const place = gl.getAttribLocation(program, name);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
  return buffer;
}

function fillBuffer(gl, buffer, values) {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
}

function texture(gl, unit, picture) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
}
