// Changes to a photo as a list, so that any can be taken back: the photo is drawn anew from all of them. Boxes and points
// are fractions of the photo as it is at that moment.

const SENT_SIDE = 1024; // pixels, the longer side of a photo made here
const SENT_LENGTH = 3_600_000; // characters of a data address; the server takes 4 million

function makeCanvas(width, height) {
  return make("canvas", null, null, { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) });
}

function drawStroke(canvas, { points, size, colour }) {
  const context = canvas.getContext("2d");
  const place = ([x, y]) => [x * canvas.width, y * canvas.height];
  context.strokeStyle = colour;
  context.lineWidth = size * Math.max(canvas.width, canvas.height);
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...place(points[0]));
  for (const point of points.length > 1 ? points.slice(1) : points) context.lineTo(...place(point)); // a tap is a dot
  context.stroke();
}

// What each kind of change makes of a canvas: the same one, or another.
const EDITS = {
  flip(canvas) {
    const turned = makeCanvas(canvas.width, canvas.height);
    const context = turned.getContext("2d");
    context.scale(-1, 1);
    context.drawImage(canvas, -canvas.width, 0);
    context.resetTransform(); // what is painted next is painted where it is pointed at
    return turned;
  },
  crop(canvas, { box }) {
    const part = makeCanvas(box.width * canvas.width, box.height * canvas.height);
    part.getContext("2d").drawImage(canvas, -Math.round(box.x * canvas.width), -Math.round(box.y * canvas.height));
    return part;
  },
  fill(canvas, { box, colour }) {
    const context = canvas.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(box.x * canvas.width, box.y * canvas.height, box.width * canvas.width, box.height * canvas.height);
    return canvas;
  },
  stroke(canvas, edit) {
    drawStroke(canvas, edit);
    return canvas;
  },
};

// image: anything a canvas can draw; its size in pixels is given, since an image and a bitmap name it differently.
function applyEdits(image, size, edits) {
  const scale = Math.min(1, SENT_SIDE / Math.max(size.width, size.height));
  const first = makeCanvas(size.width * scale, size.height * scale);
  const context = first.getContext("2d");
  context.fillStyle = "#fff"; // under transparent parts, as the server does
  context.fillRect(0, 0, first.width, first.height);
  context.drawImage(image, 0, 0, first.width, first.height);
  return edits.reduce((canvas, edit) => EDITS[edit.kind](canvas, edit), first);
}

function isMirrored(edits) {
  return edits.filter((edit) => edit.kind === "flip").length % 2 === 1;
}

function isCropped(edits) {
  return edits.some((edit) => edit.kind === "crop");
}

// The canvas as the data address of a JPEG that the server takes.
function jpegAddress(canvas) {
  let address = "";
  for (const quality of [0.92, 0.8, 0.6]) {
    address = canvas.toDataURL("image/jpeg", quality);
    if (address.length <= SENT_LENGTH) break;
  }
  return address;
}

function loadImage(address) {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image);
}

// A file as an upright data address of at most SENT_SIDE pixels a side; rejects what the browser cannot read.
async function readPhotoFile(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const address = jpegAddress(applyEdits(bitmap, bitmap, []));
  bitmap.close();
  return address;
}
