"""Layout and event wiring; the only file that imports Gradio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.data_classes import ImageData
from pydantic import ValidationError, model_validator
from starlette.middleware import Middleware

from captioner.errors import CaptionerError
from demo import text
from demo.callbacks import Upload, caption_json, view_failure, view_photo
from demo.examples import ExamplePhoto, list_examples, recorded_view
from demo.guard import Guard
from demo.questions import Answerer
from demo.view import DEFAULT_WIDTH, View

if TYPE_CHECKING:
    from captioner.captioner import Captioner

STATIC = Path(__file__).resolve().parent / "static"
VIEWER_FILES = (  # .js, in this order
    "parts",
    "maps",
    "box",
    "tongue",
    "desk",
    "words",
    "stage",
    "region",
    "guess",
    "classroom",
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
    "panels",
    "viewer",
)
STYLE_FILES = (
    "page",
    "viewer",
    "region",
    "classroom",
    "tree",
    "tree_card",
    "relief",
    "takeaway",
    "compare",
    "cards",
    "card_figures",
    "card_maps",
)  # .css
MAX_FILE_SIZE = "30mb"
QUEUE_LENGTH = 32
SESSIONS_KEPT = 200  # Gradio keeps the last result of each, up to a megabyte, in memory
HOUR = 3600  # seconds; uploaded photos are deleted when older than that, looked at every hour

# Connects viewer.js to Gradio: runs once; `watch` runs after every new value.
CONNECT_VIEWER = """
const ask = (question) => server.answer(question);
const show = mountViewer(element.querySelector(".sw-viewer"), props.texts, ask, props.kit);
show(props.value);
watch("value", () => show(props.value));
"""
CONNECT_EXAMPLES = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) trigger("pick", { index: Number(button.dataset.index) });
});
"""
EXAMPLES_TEMPLATE = """
<h2 class="sw-examples-title" data-sw-text="examples_label">{{title}}</h2>
<div class="sw-examples">
  {{#each photos}}<button type="button" class="sw-example" data-index="{{@index}}"
    title="{{this.title}}" data-sw-title="{{this.key}}"><img src="{{this.thumbnail}}" alt="{{this.title}}"
    data-sw-alt="{{this.key}}"></button>{{/each}}
</div>
"""
HEADER_TEMPLATE = """
<header class="sw-masthead"><h1>{{title}}</h1><p data-sw-text="tagline">{{tagline}}</p>
  <div class="sw-languages" role="group" aria-label="{{label}}" data-sw-label="language_label">
    {{#each languages}}<button type="button" data-sw-language="{{this.code}}"
      lang="{{this.code}}">{{this.name}}</button>{{/each}}
  </div></header>
"""
PRIVACY_TEMPLATE = '<p class="sw-privacy" data-sw-text="privacy">{{words}}</p>'


class UploadData(ImageData):  # type: ignore[misc]
    """What a client sends for a photo; anything else counts as none, to be refused in plain words."""

    @model_validator(mode="wrap")
    @classmethod
    def none_when_malformed(cls, value: Any, handler: Callable[[Any], UploadData]) -> UploadData:
        """An upload without a file, where pydantic would raise."""
        try:
            return handler(value)
        except ValidationError:
            return cls()


def build_page(find_captioner: Callable[[], Captioner]) -> Any:
    """The whole page as `gr.Blocks`, not yet served.

    Args:
        find_captioner: gives the captioner; it may still be loading when the page is served, and is waited for then.
    """
    examples, languages = list_examples(), text.read_languages()
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(HOUR, HOUR), fill_width=True) as page:
        _header(languages)
        with gr.Row(elem_id="sw-columns"):
            with gr.Column(scale=1, min_width=230, elem_id="sw-input"):
                photo = _photo_input()
                picker = _examples_strip(examples)
            with gr.Column(scale=4, min_width=320):
                viewer = _viewer(find_captioner, Path(photo.GRADIO_CACHE), languages, recorded_view(examples))
        gr.HTML(html_template=PRIVACY_TEMPLATE, words=text.VIEWER["privacy"], js_on_load=None)
        _wire(find_captioner, photo, viewer, picker, examples)
        _publish_api(find_captioner, photo)
    page.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1)
    return page


def launch_page(page: Any, host: str, port: int) -> str:
    """Start serving the page from a thread of its own and return its address; `page.block_thread()` waits for the end.

    Raises:
        OSError: the port is taken or may not be used.
    """
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        strict_cors=True,
        allowed_paths=[],
        state_session_capacity=SESSIONS_KEPT,
        max_file_size=MAX_FILE_SIZE,
        footer_links=["api", "settings"],
        theme=_theme(),
        css_paths=[STATIC / f"{name}.css" for name in STYLE_FILES],
        app_kwargs={"middleware": [Middleware(Guard)]},
    )
    return str(address)


def _photo_input() -> Any:
    """An image box that never fetches a photo from another address on a client's behalf."""
    box = gr.Image(
        label=text.VIEWER["photo_label"],
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        height=230,
        buttons=[],
        elem_id="sw-photo-input",
    )
    keep = box.async_move_resource_to_block_cache

    async def keep_local(source: str | Path | None) -> str | None:
        if str(source).startswith(("http://", "https://")):
            raise gr.Error(text.NO_OUTSIDE_ADDRESS, print_exception=False)
        kept: str | None = await keep(source)
        return kept

    # On the instance: where a component is subclassed, Gradio writes a .pyi file beside the module.
    box.async_move_resource_to_block_cache = keep_local
    box.data_model = UploadData
    return box


def viewer_script() -> str:
    """The viewer's files as one script."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in VIEWER_FILES)


def viewer_style() -> str:
    """The styles as one sheet."""
    return "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in STYLE_FILES)


def _header(languages: Mapping[str, text.Texts]) -> None:
    names = [{"code": code, "name": texts["language"]} for code, texts in languages.items()]
    gr.HTML(
        html_template=HEADER_TEMPLATE,
        title=text.TITLE,
        tagline=text.VIEWER["tagline"],
        label=text.VIEWER["language_label"],
        languages=names,
        js_on_load=None,
    )


def _viewer(
    find_captioner: Callable[[], Captioner],
    uploads: Path,
    languages: Mapping[str, text.Texts],
    recorded: View | None,
) -> Any:
    """Shows a View; see `static/viewer.js`."""
    answerer = Answerer(find_captioner, uploads)

    def answer(question: dict[str, Any]) -> Any:
        return answerer.answer(question)

    return gr.HTML(
        value=recorded,
        html_template='<div class="sw-viewer"></div>',
        js_on_load=viewer_script() + CONNECT_VIEWER,
        apply_default_css=False,
        elem_id="sw-viewer",
        server_functions=[answer],
        texts=dict(languages),
        kit={"script": viewer_script(), "style": viewer_style()},  # what a saved page is made of
    )


def _examples_strip(examples: tuple[ExamplePhoto, ...]) -> Any:
    photos = [
        {"title": example.title, "key": f"example_{example.path.stem}", "thumbnail": example.thumbnail()}
        for example in examples
    ]
    return gr.HTML(
        html_template=EXAMPLES_TEMPLATE,
        js_on_load=CONNECT_EXAMPLES,
        apply_default_css=False,
        visible=bool(photos),
        elem_id="sw-examples",
        title=text.VIEWER["examples_label"],
        photos=photos,
    )


def _wire(
    find_captioner: Callable[[], Captioner], photo: Any, viewer: Any, picker: Any, examples: tuple[ExamplePhoto, ...]
) -> None:
    """The page's own listeners: a new photo is captioned, an example becomes the photo."""

    uploads = Path(photo.GRADIO_CACHE)

    def pick(event: gr.EventData) -> str:
        return str(examples[event.index].path)

    def describe(upload: Upload | None) -> View | None:
        return view_photo(find_captioner(), uploads, upload)

    picker.pick(pick, outputs=photo, queue=False, show_progress="hidden", api_visibility="private")
    captioned = photo.change(
        describe,
        inputs=photo,
        outputs=viewer,
        concurrency_id="model",
        concurrency_limit=1,
        preprocess=False,  # decoding is open_photo's, which refuses in plain words
        trigger_mode="always_last",
        show_progress="minimal",
        api_visibility="private",
    )
    captioned.failure(view_failure, outputs=viewer, show_progress="hidden", api_visibility="private")


def _publish_api(find_captioner: Callable[[], Captioner], photo: Any) -> None:
    """The one public endpoint, `/caption`."""

    uploads = Path(photo.GRADIO_CACHE)

    def caption(photo: Upload | None, beam_width: object) -> dict[str, Any]:
        try:
            return caption_json(find_captioner(), uploads, photo, beam_width)
        except CaptionerError as problem:
            raise gr.Error(str(problem), print_exception=False) from problem

    width = gr.Number(value=DEFAULT_WIDTH, precision=0, label="beam_width", visible=False)
    gr.Button(visible=False).click(
        caption,
        inputs=[photo, width],
        outputs=gr.JSON(visible=False),
        concurrency_id="model",
        preprocess=False,
        api_name="caption",
        api_description=text.API_DESCRIPTION,
    )


def _theme() -> Any:
    """Calm neutrals. The font ships with Gradio; of its weights only 400 and 700 have all letters."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
    ).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")
