// Photos that are dropped or pasted anywhere on the page. What is dropped never takes the browser away from it.

const TYPED = "textarea, select, [contenteditable], input:not([type=range], [type=color], [type=checkbox], [type=radio], [type=button], [type=file])";

// Whether a place takes text by itself.
function takesText(node) {
  return Boolean(node && node.closest && node.closest(TYPED));
}

// take: called with a file. say: says a sentence by its key. box: the node to light up.
function listenForPhotos({ take, say, box }) {
  let own = false; // something of this page is dragged

  async function give(transfer) {
    if (document.querySelector("dialog.sw-room[open]")) return say("photo_room");
    try {
      const { file, others } = await photoOf(transfer);
      take(file);
      if (others) say("photo_first", { name: file.name });
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      say(problem.key, problem.values);
    }
    return undefined;
  }
  const typed = (event) => takesText(event.target) && !event.dataTransfer.types.includes("Files");
  const light = (on) => box.classList.toggle("sw-photo-over", on);

  document.addEventListener("dragstart", () => { own = true; });
  for (const name of ["dragend", "pointermove"]) document.addEventListener(name, () => { own = false; });
  document.addEventListener("dragover", (event) => {
    light(!own && !typed(event));
    if (typed(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = own ? "none" : "copy";
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || light(false));
  document.addEventListener("drop", () => light(false), true); // also of what goes elsewhere
  document.addEventListener("drop", (event) => {
    if (event.defaultPrevented || typed(event)) return;
    event.preventDefault();
    if (!own) give(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    if (event.defaultPrevented || takesText(event.target) || !event.clipboardData) return;
    event.preventDefault();
    give(event.clipboardData);
  });
}
