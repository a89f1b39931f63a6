// Which files are photos, what a drop or a paste brought, and a file's way to the server.

const PHOTO_ENDINGS = [ // as in captioner/photo.py
  "apng", "avif", "avifs", "bmp", "dib", "dng", "gif", "heic", "heics", "heif", "heifs", "hif", "jfi", "jfif", "jif", "jpe", "jpeg",
  "jpg", "mpo", "pjp", "pjpeg", "png", "tif", "tiff", "webp",
];
const PHOTO_ACCEPT = ["image/*", ...PHOTO_ENDINGS.map((ending) => `.${ending}`)].join(",");
const PHOTO_LIMIT = 30 * 2 ** 20; // bytes, as in demo/page.py
// How the files that the server reads begin, and those of them that every browser shows.
const PHOTO_START = /^(\xff\xd8\xff|\x89PNG|GIF8|BM|(II|MM)(\*|\+|\0[*+])|RIFF[^]{4}WEBP|[^]{4}ftyp)/;
const SHOWN_START = /^(\xff\xd8\xff|\x89PNG|GIF8|BM|RIFF[^]{4}WEBP)/;
const FILE_START = 12; // bytes
const REFUSALS = { 403: "foreign", 413: "proxy_limit", 429: "toast_often", 507: "toast_full" }; // a status -> its sentence
const UNAVAILABLE = [0, 500, 502, 503, 504]; // no server, or a proxy that finds none

// Why a photo was not taken, as a key of the texts.
class Refusal extends Error {
  constructor(key, values) {
    super(key);
    Object.assign(this, { key, values });
  }
}

async function fileStart(file) {
  try {
    return String.fromCharCode(...new Uint8Array(await file.slice(0, FILE_START).arrayBuffer()));
  } catch (unreadable) { // a folder, or a file that is gone
    return "";
  }
}

// Windows knows no type for many kinds of photo: the name and the first bytes say it as well.
async function isPhoto(file) {
  if (file.type.startsWith("image/")) return true;
  if (PHOTO_ENDINGS.includes(file.name.split(".").pop().toLowerCase())) return true;
  return PHOTO_START.test(await fileStart(file));
}

// The photo that a drop or a paste brought, as {file, others}; rejects with the Refusal that says why there is none.
async function photoOf(transfer) {
  const kinds = [...transfer.types]; // read at once: a transfer is emptied when its event is over
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const folder = items.some((item) => item.webkitGetAsEntry && (item.webkitGetAsEntry() || {}).isDirectory);
  const files = [...transfer.files];
  if (folder) throw new Refusal("photo_folder");
  for (const file of files) if (await isPhoto(file)) return checked(file, files.length - 1);
  if (files.length) throw new Refusal("toast_kind");
  throw new Refusal(kinds.some((kind) => kind.startsWith("text/")) ? "photo_link" : "photo_nothing");
}

function checked(file, others = 0) {
  if (file.size > PHOTO_LIMIT) throw new Refusal("toast_large");
  return { file, others };
}

// The path of a file on the server. sent: told of the share that has arrived. signal: gives it up.
function uploadFile(file, sent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    const form = new FormData();
    form.append("files", file, file.name || "photo");
    request.open("POST", serverAddress("upload") + window.location.search);
    request.upload.addEventListener("progress", ({ loaded, total }) => sent(loaded / total));
    request.addEventListener("error", () => reject(new Error("no answer")));
    request.addEventListener("load", () => {
      const { status } = request;
      if (status === 200) resolve(JSON.parse(request.responseText)[0]);
      else reject(UNAVAILABLE.includes(status) ? new Error("no answer") : new Refusal(REFUSALS[status] || "toast_other", { size: fileSize(file.size) }));
    });
    if (signal) signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// A file as a photo to caption: how it looks here, and how its path is found, again where the server has lost it.
function photoFromFile(file) {
  return { url: URL.createObjectURL(file), path: null, locate: (sent, signal) => uploadFile(file, sent, signal) };
}
