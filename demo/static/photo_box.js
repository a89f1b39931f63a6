// The photo box: the photo on show, and the ways to a new one. Nothing here takes a result away but its ×.

const PHOTO_WAYS = { // the keys of what is read on the button, and of its name
  upload: ["photo_upload_short", "photo_upload"],
  camera: ["photo_camera_short", "photo_camera"],
  paste: ["photo_paste_short", "photo_paste"],
};

// The photo in the clipboard, for the button; Ctrl+V needs none of this (arrivals.js).
async function photoInClipboard() {
  if (!navigator.clipboard || !navigator.clipboard.read) throw new Refusal(window.isSecureContext ? "paste_keys" : "paste_http");
  let items = [];
  try {
    items = await navigator.clipboard.read();
  } catch (problem) {
    throw new Refusal(problem.name === "NotAllowedError" ? "paste_refused" : "photo_nothing");
  }
  for (const item of items) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) return checked(new File([await item.getType(type)], "pasted", { type })).file;
  }
  throw new Refusal(items.length ? "photo_link" : "photo_nothing");
}

// Put a node into a place on the page, which may be made later than the viewer.
function putInPlace(node, selector) {
  const put = () => {
    const place = document.querySelector(selector);
    if (place) place.append(node);
    return Boolean(place);
  };
  if (put()) return;
  new MutationObserver((_, observer) => put() && observer.disconnect()).observe(document.body, { childList: true, subtree: true });
}

// node: filled here. take: called with a file. remove: called when the photo is to go. camera: opens it. say: says a sentence
// by its key. Gives what shows the photo at an address, or none.
function mountPhotoBox(node, { take, remove, camera, say }) {
  const text = make("span", "sw-photo-hint", "", { "data-sw-text": "photo_placeholder", "data-testid": "upload-text" });
  const image = make("img", "sw-photo-given", null, { alt: "" });
  const drop = button("sw-photo-drop", [image, text], { "data-sw-label": "photo_placeholder" });
  const away = button("sw-photo-remove", "×", { "data-sw-label": "photo_remove", "data-sw-title": "photo_remove", hidden: "" });
  const ways = Object.entries(PHOTO_WAYS).map(([name, [short, whole]]) => button("sw-photo-way", "", {
    "data-photo-way": name, "data-sw-text": short, "data-sw-label": whole, "data-sw-title": whole,
  }));
  const input = make("input", null, null, { type: "file", accept: PHOTO_ACCEPT, tabindex: "-1", "aria-hidden": "true", hidden: "" });
  const label = make("span", "sw-photo-label", "", { "data-sw-text": "photo_label", "data-testid": "block-label" });
  node.replaceChildren(label, drop, away, make("div", "sw-photo-ways", ways), input);

  async function given(find) {
    try {
      take(await find());
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      say(problem.key, problem.values);
    }
  }
  const deeds = { upload: () => input.click(), camera, paste: () => given(photoInClipboard) };
  drop.addEventListener("click", deeds.upload);
  away.addEventListener("click", remove);
  node.addEventListener("click", (event) => {
    const way = event.target.closest("[data-photo-way]");
    if (way) deeds[way.dataset.photoWay]();
  });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file once more is a choice too
    if (files.length) given(async () => (await photoOf({ files, items: [], types: [] })).file);
  });
  const seen = (shown) => node.classList.toggle("sw-photo-seen", shown);
  image.addEventListener("load", () => seen(true));
  image.addEventListener("error", () => seen(false)); // a kind of photo this browser cannot show

  let address = null;
  return (wanted) => {
    if (wanted === address) return;
    address = wanted;
    away.hidden = !address;
    seen(false);
    if (address) image.src = address;
    else image.removeAttribute("src");
  };
}
