"""What programs may ask of a running page: its public endpoints. Besides `demo.page` the only file with Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from captioner.errors import CaptionerError, PhotoError
from captioner.search_options import MAX_WIDTH
from demo import text
from demo.callbacks import Asker, Upload, caption_json, content_of, find_upload, open_upload
from demo.grids import GridCache
from demo.probing import Subject, probe_json
from demo.scheduler import ModelTask, Scheduler
from demo.view import DEFAULT_WIDTH

if TYPE_CHECKING:
    from captioner.captioner import Captioner

API_CALLS = 8  # of programs that wait for their turn with the model; more wait in Gradio's queue


def publish_api(scheduler: Scheduler, photo: Any, grids: GridCache) -> None:
    """The public endpoints, `/caption` and `/probe`; `grids` are those of the photos given last."""

    uploads = Path(photo.GRADIO_CACHE)

    def caption(photo: Upload | None, beam_width: object, request: gr.Request) -> dict[str, Any]:
        try:
            return caption_json(scheduler, uploads, photo, beam_width, Asker(session=request.session_hash))
        except CaptionerError as problem:
            raise gr.Error(str(problem), print_exception=False) from problem

    width = gr.Number(DEFAULT_WIDTH, precision=0, label="beam_width", visible=False)
    width.api_info = lambda: {"type": "integer", "minimum": 1, "maximum": MAX_WIDTH}
    gr.Button(visible=False).click(
        caption,
        inputs=[photo, width],
        outputs=gr.JSON(visible=False),
        concurrency_id="api",
        concurrency_limit=API_CALLS,
        preprocess=False,
        api_name="caption",
        api_description=text.API_DESCRIPTION,
    )

    def probe(photo: Upload | None, question: object, request: gr.Request) -> dict[str, Any]:
        try:
            if photo is None or not isinstance(question, Mapping):
                raise PhotoError(text.NO_PHOTO if photo is None else text.UNKNOWN_QUESTION)
            task = ModelTask(lambda captioner: experiment(captioner, photo, question))
            found: dict[str, Any] = scheduler.ask(task, session=request.session_hash).result()
        except CaptionerError as problem:
            raise gr.Error(str(problem), print_exception=False) from problem
        return found

    def experiment(captioner: Captioner, photo: Upload, question: Mapping[str, Any]) -> dict[str, Any]:
        opened = partial(open_upload, uploads, photo)
        content = content_of(find_upload(uploads, photo))
        return probe_json(Subject(captioner, opened, grids.find(captioner, content, opened)), question)

    gr.Button(visible=False).click(
        probe,
        inputs=[photo, gr.JSON(visible=False, label="question")],
        outputs=gr.JSON(visible=False),
        concurrency_id="api",
        concurrency_limit=API_CALLS,
        preprocess=False,
        api_name="probe",
        api_description=text.PROBE_DESCRIPTION,
    )
