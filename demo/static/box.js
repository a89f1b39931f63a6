// Gradio's photo box in the visitor's language. Its words are Gradio's own, in English or in what Gradio takes for the
// browser's language; here they are exchanged in place, so that what is seen and what a screen reader says agree.

// A node of the box -> the text it is named by. A label that Gradio has translated is no longer found by its English
// form: such a node is remembered once seen.
const BOX_NAMES = {
  'button[aria-dropeffect]': "photo_placeholder",
  'input[type="file"]': "photo_upload",
  '[aria-label="Upload file"]': "photo_upload",
  '[aria-label="Capture from camera"]': "photo_camera",
  '[aria-label="Paste from clipboard"]': "photo_paste",
  '[aria-label="Remove Image"]': "photo_remove",
};

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

// Only what differs is written: writing is seen by the observer that called.
function sayInstead(root, said) {
  const [first, ...rest] = textNodes(root).filter((node) => node.nodeValue.trim());
  if (first && first.nodeValue !== said) first.nodeValue = said;
  for (const node of rest) node.nodeValue = "";
}

function nameBox(node, said) {
  if (node.ariaLabel !== said) node.ariaLabel = said;
  if (node.title && node.title !== said) node.title = said;
}

function translateBox(texts) {
  const box = document.getElementById("sw-photo-input");
  if (!box) return;
  const label = box.querySelector('[data-testid="block-label"]');
  if (label) sayInstead(label, texts.photo_label);
  for (const node of box.querySelectorAll('[data-testid="upload-text"]')) sayInstead(node, texts.photo_placeholder.replaceAll("|", "\n"));
  for (const [selector, key] of Object.entries(BOX_NAMES)) {
    for (const node of box.querySelectorAll(selector)) node.dataset.swName = key;
  }
  for (const node of box.querySelectorAll("[data-sw-name]")) nameBox(node, texts[node.dataset.swName].replaceAll("|", " "));
}
