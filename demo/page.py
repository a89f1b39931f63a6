"""Layout and event wiring; only this file and `demo.api` import Gradio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import gradio as gr
from anyio import to_thread
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from pydantic import ConfigDict, Field, ValidationError, model_validator
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from captioner.errors import PhotoError
from demo import server_text, text
from demo.api import publish_api
from demo.callbacks import Asker, view_photo
from demo.comparison import find_example
from demo.examples import ExamplePhoto, list_examples, recorded_view
from demo.expiry import Expiry
from demo.front_page import FrontPage
from demo.grids import GridCache
from demo.guard import Guard, GuardOptions
from demo.guard.leaving import Leaving
from demo.guard.root_path import RootPath
from demo.own_address import bracketed, page_address, without_proxies
from demo.packing import write_json
from demo.process_memory import returning
from demo.questions import Answerer
from demo.scheduler import Scheduler
from demo.scripts import (
    CONNECT_EXAMPLES,
    CONNECT_VIEWER,
    RUN_KIT,
    style_paths,
    viewer_script,
    viewer_style,
)
from demo.status import ServerStatus
from demo.templates import EXAMPLES_TEMPLATE, HEADER_TEMPLATE, PHOTO_BOX_TEMPLATE, PRIVACY_TEMPLATE
from demo.view import build_problem
from demo.view_types import View

if TYPE_CHECKING:
    from captioner.captioner import Captioner

LOG = logging.getLogger(__name__)
MAX_FILE_SIZE = 30 * 2**20  # bytes
LINE_LENGTH = 32  # photos and questions that may wait; the next is refused, and its visitor told when to try again
THREADS = 100  # those who wait in the line for the model, and who uploads meanwhile, each take one
QUEUE_LENGTH = 64  # events that may wait for a thread, should all be taken
LOOK_PERIOD = 0.05  # seconds between two looks at whether somebody who asked is still there
SESSIONS_KEPT = 32  # Gradio keeps the last result of each, some 0.3 MB; none of them needs what it keeps
EXAMPLE_UPLOAD = {"path": "photo.jpg", "meta": {"_type": "gradio.FileData"}}  # of the API's description
AT_THE_END = (86_400, 10**10)  # seconds: Gradio deletes the uploads when the page is closed; before, `Expiry` does


class UploadData(ImageData):  # type: ignore[misc]
    """What a client sends for a photo; anything else counts as none, to be refused in plain words."""

    model_config = ConfigDict(json_schema_extra={"description": server_text.UPLOAD_DESCRIPTION})
    path: str | None = Field(default=None, description=server_text.PATH_DESCRIPTION)
    url: str | None = Field(default=None, description=server_text.URL_DESCRIPTION)

    @model_validator(mode="wrap")
    @classmethod
    def none_when_malformed(cls, value: Any, handler: Callable[[Any], UploadData]) -> UploadData:
        """An upload without a file, where pydantic would raise."""
        try:
            return handler(value)
        except ValidationError:
            return cls()


def build_page(find_captioner: Callable[[], Captioner], line_length: int = LINE_LENGTH) -> Any:
    """The whole page as `gr.Blocks`, not yet served.

    Args:
        find_captioner: gives the captioner; it may still be loading when the page is served, and is waited for then.
        line_length: how many photos and questions may wait for what the model is busy with.
    """
    grids = GridCache()
    scheduler = Scheduler(find_captioner, line_length, grids=grids)
    examples, languages = list_examples(), text.read_languages()
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=AT_THE_END, fill_width=True) as page:
        _header(languages)
        with gr.Row(elem_id="sw-columns"):
            with gr.Column(scale=1, min_width=230, elem_id="sw-input"):
                gr.HTML(html_template=PHOTO_BOX_TEMPLATE, js_on_load=None, elem_id="sw-photo-input")
                photo = _photo_input()
                _examples_strip(examples, photo)
            with gr.Column(scale=4, min_width=320):
                answerer = Answerer(find_captioner, Path(photo.GRADIO_CACHE), scheduler, grids)
                _viewer(answerer, languages, recorded_view(examples))
        gr.HTML(html_template=PRIVACY_TEMPLATE, words=text.VIEWER["privacy"], js_on_load=None)
        _publish_look(scheduler, photo)
        publish_api(scheduler, photo, grids)
    page.queue(max_size=QUEUE_LENGTH)
    page.scheduler = scheduler
    page.status = ServerStatus(answerer.checkup, scheduler.waiting, line_length, answerer.uploads)
    return page


@without_proxies(os.environ)  # Gradio asks the page's own address
def launch_page(page: Any, host: str, port: int, options: GuardOptions | None = None) -> str:
    """Start serving the page from a thread of its own and return its address; `page.block_thread()` waits for the end.

    Args:
        options: what the guard lets through.

    Raises:
        OSError: the port is taken or may not be used.
    """

    def tell_health(request: Request) -> Response:
        status, report = page.status.report()
        return JSONResponse(report, status, {"cache-control": "no-store"})

    # Else whoever asks from this machine, a proxy too, could name any address as the visitor's; `Guard` counts by it.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    options = options or GuardOptions()
    page.launch(
        server_name=bracketed(host),
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
        root_path=options.root_path,
        state_session_capacity=SESSIONS_KEPT,
        max_file_size=MAX_FILE_SIZE,
        footer_links=["api", "settings"],
        theme=_theme(),
        css_paths=style_paths(),
        app_kwargs={
            "middleware": [
                Middleware(Guard, Path(get_upload_folder()), options),
                Middleware(Leaving, left=page.scheduler.leave),
                Middleware(FrontPage, text.read_languages(), RootPath(options.root_path).path),
            ],
            "routes": [Route("/health", tell_health)],
            "lifespan": _meanwhile,
        },
        max_threads=THREADS,
        _frontend=False,  # else it asks for the page itself, and ends where that takes longer than 3 s
    )
    return page_address(host, port)


@contextlib.asynccontextmanager
async def _meanwhile(app: object) -> AsyncIterator[None]:
    """What is done again and again while the page is served."""
    async with Expiry(Path(get_upload_folder())).lifespan(app), returning():
        yield


def _photo_input() -> Any:
    """What takes a program's photo, and never fetches one from another address; the page's own is `photo_box.js`."""
    box = gr.Image(label=text.VIEWER["photo_label"], type="filepath", visible=False)
    keep = box.async_move_resource_to_block_cache

    async def keep_local(source: str | Path | None) -> str | None:
        if str(source).startswith(("http://", "https://")):
            raise gr.Error(text.NO_OUTSIDE_ADDRESS, print_exception=False)
        kept: str | None = await keep(source)
        return kept

    # On the instance: where a component is subclassed, Gradio writes a .pyi file beside the module.
    box.async_move_resource_to_block_cache = keep_local
    box.data_model = UploadData
    box.example_payload = box.example_value = lambda: EXAMPLE_UPLOAD
    return box


def _header(languages: Mapping[str, text.Texts]) -> None:
    names = [{"code": code, "name": texts["language"]} for code, texts in languages.items()]
    gr.HTML(
        html_template=HEADER_TEMPLATE,
        title=text.TITLE,
        tagline=text.VIEWER["tagline"],
        join=text.VIEWER["room_join"],
        label=text.VIEWER["language_label"],
        languages=names,
        js_on_load=None,
    )


def _viewer(answerer: Answerer, languages: Mapping[str, text.Texts], recorded: View | None) -> None:
    """Shows a View; see `static/viewer.js`."""

    async def answer(question: dict[str, Any], request: gr.Request) -> Response:
        session = uuid4().hex
        network = request.client.host if request.client else ""
        asked = asyncio.ensure_future(to_thread.run_sync(answerer.answer, question, session, network))
        while not (await asyncio.wait({asked}, timeout=LOOK_PERIOD))[0]:
            if await request.is_disconnected():
                answerer.scheduler.leave(session)
        return Response(write_json(asked.result()), media_type="application/json")

    gr.HTML(
        value=recorded,
        html_template='<div class="sw-viewer"></div>',
        js_on_load=RUN_KIT,
        apply_default_css=False,
        elem_id="sw-viewer",
        server_functions=[answer],
        texts=dict(languages),
        kit={"script": viewer_script(), "style": viewer_style()},  # what a saved page is made of, too
        connect=CONNECT_VIEWER,
    )


def _examples_strip(examples: tuple[ExamplePhoto, ...], photo: Any) -> None:
    """The examples to pick from; one that is picked is copied to where uploaded photos lie."""

    def fetch_example(question: object) -> dict[str, Any]:
        try:
            return {"path": photo.move_resource_to_block_cache(find_example(question).path)}
        except PhotoError as problem:
            return dict(build_problem(str(problem)))
        except OSError as problem:  # the disk is full
            LOG.warning("An example could not be copied: %s", problem)
            return dict(build_problem(text.NOT_KEPT))

    photos = [
        {"title": example.title, "key": f"example_{example.path.stem}", "thumbnail": example.thumbnail()}
        for example in examples
    ]
    gr.HTML(
        html_template=EXAMPLES_TEMPLATE,
        js_on_load=CONNECT_EXAMPLES,
        apply_default_css=False,
        visible=bool(photos),
        elem_id="sw-examples",
        server_functions=[fetch_example],
        title=text.VIEWER["examples_label"],
        photos=photos,
    )


def _publish_look(scheduler: Scheduler, photo: Any) -> None:
    """The endpoint that the viewer takes every photo to (queue.js)."""

    uploads = Path(photo.GRADIO_CACHE)

    def look(
        upload: object,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way)
    ) -> str:
        def tell(ahead: int) -> None:
            progress((ahead, None), unit="ahead")

        # As text: Gradio walks through every number of anything else, twice.
        return write_json(
            view_photo(scheduler, uploads, upload, Asker(session=request.session_hash, told=tell))
        ).decode()

    gr.Button(visible=False).click(
        look,
        inputs=gr.JSON(visible=False),
        outputs=gr.JSON(visible=False),
        preprocess=False,
        postprocess=False,
        show_progress="hidden",
        api_name="look",
        api_visibility="private",
        concurrency_limit=None,
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
