"""Layout and event wiring; the only file that imports Gradio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from pydantic import ValidationError, model_validator
from starlette.middleware import Middleware

from captioner.captioner import Captioner
from captioner.errors import CaptionerError
from demo import text
from demo.callbacks import Upload, caption_json, view_failure, view_photo
from demo.examples import ExamplePhoto, list_examples
from demo.guard import Guard
from demo.view import DEFAULT_WIDTH, View

STATIC = Path(__file__).resolve().parent / "static"
VIEWER_FILES = ("maps.js", "parts.js", "viewer.js")
MAX_FILE_SIZE = "30mb"
QUEUE_LENGTH = 32
SESSIONS_KEPT = 200  # Gradio keeps the last result of each, up to a megabyte, in memory
HOUR = 3600  # seconds; uploaded photos are deleted when older than that, looked at every hour

# Connects viewer.js to Gradio: runs once; `watch` runs after every new value.
CONNECT_VIEWER = """
const show = mountViewer(element.querySelector(".sw-viewer"), props.texts);
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
<h2 class="sw-examples-title">{{title}}</h2>
<div class="sw-examples">
  {{#each photos}}<button type="button" class="sw-example" data-index="{{@index}}" title="{{this.title}}">
    <img src="{{this.thumbnail}}" alt="{{this.title}}"></button>{{/each}}
</div>
"""
HEADER_TEMPLATE = '<header class="sw-masthead"><h1>{{title}}</h1><p>{{tagline}}</p></header>'


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


def build_page(captioner: Captioner) -> Any:
    """The whole page as `gr.Blocks`, not yet served."""
    examples = list_examples()
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(HOUR, HOUR), fill_width=True) as page:
        gr.HTML(html_template=HEADER_TEMPLATE, title=text.TITLE, tagline=text.TAGLINE, js_on_load=None)
        with gr.Row(elem_id="sw-columns"):
            with gr.Column(scale=1, min_width=230, elem_id="sw-input"):
                photo = _photo_input()
                picker = _examples_strip(examples)
            with gr.Column(scale=4, min_width=320):
                viewer = _viewer()
        gr.HTML(html_template='<p class="sw-privacy">{{words}}</p>', words=text.PRIVACY, js_on_load=None)
        _wire(captioner, photo, viewer, picker, examples)
        _publish_api(captioner, photo)
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
        css_paths=[STATIC / "style.css"],
        app_kwargs={"middleware": [Middleware(Guard)]},
    )
    return str(address)


def _photo_input() -> Any:
    """An image box that never fetches a photo from another address on a client's behalf."""
    box = gr.Image(
        label=text.PHOTO_LABEL,
        placeholder=text.PHOTO_PLACEHOLDER,
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


def _viewer() -> Any:
    """Shows a View; see `static/viewer.js`."""
    script = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in VIEWER_FILES)
    return gr.HTML(
        html_template='<div class="sw-viewer"></div>',
        js_on_load=script + CONNECT_VIEWER,
        apply_default_css=False,
        elem_id="sw-viewer",
        texts=dict(text.VIEWER),
    )


def _examples_strip(examples: tuple[ExamplePhoto, ...]) -> Any:
    photos = [{"title": example.title, "thumbnail": example.thumbnail()} for example in examples]
    return gr.HTML(
        html_template=EXAMPLES_TEMPLATE,
        js_on_load=CONNECT_EXAMPLES,
        apply_default_css=False,
        visible=bool(photos),
        elem_id="sw-examples",
        title=text.EXAMPLES_LABEL,
        photos=photos,
    )


def _wire(captioner: Captioner, photo: Any, viewer: Any, picker: Any, examples: tuple[ExamplePhoto, ...]) -> None:
    """The page's own listeners: a new photo is captioned, an example becomes the photo."""

    uploads = Path(photo.GRADIO_CACHE)

    def pick(event: gr.EventData) -> str:
        return str(examples[event.index].path)

    def describe(upload: Upload | None) -> View | None:
        return view_photo(captioner, uploads, upload)

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


def _publish_api(captioner: Captioner, photo: Any) -> None:
    """The one public endpoint, `/caption`."""

    uploads = Path(photo.GRADIO_CACHE)

    def caption(photo: Upload | None, beam_width: object) -> dict[str, Any]:
        try:
            return caption_json(captioner, uploads, photo, beam_width)
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
