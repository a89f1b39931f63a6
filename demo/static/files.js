// Files made in the browser: their names, their bytes, and handing them over.

const NAME_WORDS = 4; // of the caption, in a file's name

// saywhere-<first words of the caption>.<ending>, of letters and digits alone.
function fileName(caption, ending) {
  const words = caption.words.map((word) => word.word.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "")).filter(Boolean);
  return `${["saywhere", ...words.slice(0, NAME_WORDS).map((word) => word.slice(0, 20))].join("-")}.${ending}`;
}

// Let the browser save bytes or text as a file.
function handOver(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a", null, null, { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// The bytes of a data: address.
function addressBytes(address) {
  return decodeBytes(address.slice(address.indexOf(",") + 1));
}

// A file's size in words.
function fileSize(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
