// Where the second photo comes from: this one changed, another file, or an example.

const COMPARE_WAYS = ["change", "file", "example"];

// The examples on the page, with their small pictures; a page without any has none.
function exampleButtons() {
  return [...document.querySelectorAll(".sw-example[data-index]")].map((node) => ({
    index: Number(node.dataset.index), title: node.title, picture: node.querySelector("img").src,
  }));
}

// memory: {way, paint, file, example}
function mountPick(desk, memory, onChange) {
  const ways = COMPARE_WAYS.filter((way) => way !== "example" || exampleButtons().length);
  const buttons = ways.map((way) => button(null, desk.t(`compare_way_${way}`), { "data-way": way }));
  const group = make("div", "sw-styles sw-compare-ways", buttons, { role: "group", "aria-label": desk.t("compare_ways") });
  const body = make("div", "sw-way");
  let paint = null;

  function show() {
    for (const node of buttons) node.setAttribute("aria-pressed", String(node.dataset.way === memory.way));
    paint = memory.way === "change" ? mountPaint(desk, memory.paint, onChange) : null;
    const nodes = { change: () => paint.node, file: () => mountDrop(desk, memory, onChange), example: () => mountExamples(desk, memory, onChange) };
    body.replaceChildren(nodes[memory.way]());
    onChange();
  }
  group.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-way]");
    if (!chosen || chosen.dataset.way === memory.way) return;
    memory.way = chosen.dataset.way;
    show();
  });
  show();
  return {
    node: make("div", "sw-second", [group, body]),
    // The question to ask and what is known of the second photo, or null as long as there is none.
    take() {
      if (memory.way === "example") return memory.example === null ? null : { question: { kind: "example", index: memory.example, preset: desk.view.preset }, mirrored: false, same: false };
      if (memory.way === "file") return memory.file && { question: { kind: "describe", photo: memory.file instanceof File ? { file: memory.file } : { url: memory.file }, preset: desk.view.preset }, mirrored: false, same: false };
      const { edits } = memory.paint;
      if (!edits.length || !paint || !paint.canvas()) return null;
      const photo = { url: jpegAddress(paint.canvas()) };
      return { question: { kind: "describe", photo, preset: desk.view.preset }, mirrored: isMirrored(edits), same: !isCropped(edits) };
    },
  };
}

// The second photo as an address or, where this browser cannot read its kind, as the file for the server to read.
async function secondPhoto(file) {
  try {
    return await readPhotoFile(file);
  } catch (unreadable) {
    const start = await fileStart(file);
    if (PHOTO_START.test(start) && !SHOWN_START.test(start)) return file;
    throw new Refusal("compare_unreadable", { name: file.name });
  }
}

// A file to choose, drop or paste; what cannot be read is said, and the one before stays.
function mountDrop(desk, memory, onChange) {
  const input = make("input", "sw-drop-input", null, { type: "file", accept: PHOTO_ACCEPT, "aria-label": desk.t("compare_file") });
  const preview = make("img", "sw-drop-preview", null, { alt: desk.t("compare_file_chosen") });
  const problem = make("p", "sw-refusal", null, { role: "alert" });
  const zone = make("label", "sw-drop", [preview, make("span", null, desk.t("compare_drop")), input]);
  const show = () => {
    preview.hidden = !memory.file;
    if (memory.file) preview.src = memory.file instanceof File ? URL.createObjectURL(memory.file) : memory.file;
  };
  const say = (key, values) => { problem.textContent = key ? desk.t(key, values) : ""; };
  // transfer: what was chosen, dropped or pasted.
  const read = async (transfer) => {
    try {
      const { file, others } = await photoOf(transfer);
      memory.file = await secondPhoto(file);
      say(others ? "photo_first" : null, { name: file.name });
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      say(refused.key, refused.values);
    }
    show();
    onChange();
  };
  preview.addEventListener("error", () => { preview.hidden = true; }); // a kind of photo this browser cannot show
  input.addEventListener("change", () => input.files.length && read({ files: [...input.files], items: [], types: [] }));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    read(event.dataTransfer);
  });
  zone.addEventListener("paste", (event) => {
    event.preventDefault();
    event.stopPropagation();
    read(event.clipboardData);
  });
  show();
  return make("div", "sw-drop-box", [zone, help(desk.t("compare_paste_help")), problem]);
}

function mountExamples(desk, memory, onChange) {
  const list = make("div", "sw-compare-examples", exampleButtons().map(({ index, title, picture }) => button("sw-example-choice", [
    make("img", null, null, { src: picture, alt: "" }), make("span", null, title),
  ], { "data-example": index })), { role: "group", "aria-label": desk.t("compare_way_example") });
  const show = () => {
    for (const node of list.children) node.setAttribute("aria-pressed", String(Number(node.dataset.example) === memory.example));
  };
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-example]");
    if (!chosen) return;
    memory.example = Number(chosen.dataset.example);
    show();
    onChange();
  });
  show();
  return list;
}
