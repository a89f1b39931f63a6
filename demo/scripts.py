"""What a browser is given: the viewer's scripts in their order, the styles, and what connects them to Gradio."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"
VIEWER_FILES = (  # .js, in this order
    "parts",
    "maps",
    "tongue",
    "desk",
    "words",
    "stage",
    "region",
    "guess",
    "classroom",
    "room_join",
    "room_show",
    "room_teach",
    "room",
    "beam",
    "force",
    "tree_layout",
    "tree_draw",
    "tree_card",
    "tree_steps",
    "tree",
    "files",
    "relief_mesh",
    "relief_gl",
    "relief_flat",
    "relief_turn",
    "relief",
    "gltf",
    "record",
    "page_file",
    "takeaway",
    "align",
    "edits",
    "paint",
    "compare_pick",
    "compare_show",
    "compare",
    "card_ask",
    "card_parts",
    "card_photo",
    "card_attention",
    "card_words",
    "cards",
    "probe",
    "probe_words",
    "probe_maps",
    "probe_paint",
    "learning",
    "learning_time",
    "panels",
    "question",
    "queue",
    "waiting",
    "errands",
    "photo_file",
    "notice",
    "arrivals",
    "camera",
    "photo_box",
    "kept",
    "health",
    "viewer",
)
STYLE_FILES = (
    "page",
    "parts",
    "caption",
    "stage",
    "side",
    "panels",
    "region",
    "guess",
    "tree",
    "tree_card",
    "relief",
    "takeaway",
    "paint",
    "compare",
    "cards",
    "card_figures",
    "card_maps",
    "probe",
    "learning",
    "errands",
    "health",
    "projector",
    "room",
    "photo_box",
    "contrast",
    "print",
)  # .css

# Runs the viewer's scripts and CONNECT_VIEWER once. They are not the component's own script, because Gradio searches
# that for names of events, again for every visitor and photo.
RUN_KIT = """
new Function("element", "props", "server", props.kit.script + props.connect)(element, props, server);
"""

# Connects viewer.js to Gradio.
CONNECT_VIEWER = """
const ask = withPatience(askServer("answer", props.texts));
const box = make("div", "sw-photo-box");
putInPlace(box, ".sw-photo-place");
const show = mountViewer(element.querySelector(".sw-viewer"), props.texts, ask, props.kit, sendPhoto, box);
if (!show.restore()) show(props.value);
hearExamples(show.take, show.untaken);
"""

# An example is fetched past Gradio's own events: one of those that finds no server stops them all, and reloads the page
# as soon as there is one again, and with it goes the result on show.
CONNECT_EXAMPLES = """
let turn = 0;
const locate = async (index) => {
  const { path } = await server.fetch_example({ index });
  if (!path) throw new Error("no such example");
  return path;
};
element.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-index]");
  if (!button) return;
  const now = (turn += 1);
  const index = Number(button.dataset.index);
  let photo = null;
  try {
    photo = { path: await locate(index), locate: () => locate(index) };
  } catch (problem) { // no server
  }
  if (now === turn) window.dispatchEvent(new CustomEvent(photo ? "sw-example" : "sw-no-example", { detail: photo }));
});
"""


def viewer_script() -> str:
    """The viewer's files as one script."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in VIEWER_FILES)


def viewer_style() -> str:
    """The styles as one sheet."""
    return "\n".join(path.read_text(encoding="utf-8") for path in style_paths())


def style_paths() -> list[Path]:
    """The files of the styles, in their order."""
    return [STATIC / f"{name}.css" for name in STYLE_FILES]
