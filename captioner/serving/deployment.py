"""The captioner as a deployment of Ray Serve; the only file besides `cluster` and `dataset` that imports Ray."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from ray import serve
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from captioner.captioner import Captioner
from captioner.description import Description
from captioner.errors import PhotoError, SearchError
from captioner.hub import locate, read_source
from captioner.serving.contract import BAD_OPTIONS, BAD_PHOTO, FAULT, MAX_PHOTO, NOT_FOUND, TOO_LARGE, Asked
from captioner.serving.describing import Describer, Outcome, Question
from captioner.serving.options import ServingOptions

LOG = logging.getLogger("ray.serve")
NAME = "saywhere"
OPENERS = 2  # threads that open photos and write records: so many large photos are in memory at a time
DRAIN = 120.0  # seconds a replica has to answer what it has been asked before it is stopped
CHECK_EVERY, CHECK_WITHIN = 30.0, 60.0  # seconds
CALM = 120.0  # seconds of a short queue before a replica is let go

Result = TypeVar("Result")


class TooLargeError(PhotoError):
    """The photo has more bytes than a request may have."""


class Replica:
    """One copy of the model; Serve makes it, sends it requests, and asks whether it is well."""

    def __init__(self, options: ServingOptions) -> None:
        torch.set_num_threads(options.threads)
        captioner = Captioner.load(locate(read_source(options.checkpoint)), options.device)
        self._describer = Describer(captioner)
        self._largest = 0
        self._pool = ThreadPoolExecutor(OPENERS, thread_name_prefix="photos")
        self._model = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._run.set_max_batch_size(options.batch)
        self._run.set_batch_wait_timeout_s(options.wait)

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request; see `captioner.serving.contract`."""
        try:
            return await self._route(request)
        except TooLargeError as problem:
            return refusal(TOO_LARGE, str(problem))
        except PhotoError as problem:
            return refusal(BAD_PHOTO, str(problem))
        except SearchError as problem:
            return refusal(BAD_OPTIONS, str(problem))
        except ClientDisconnect:
            return refusal(BAD_OPTIONS, "The request was broken off: send it again.")
        except Exception:  # an error nobody foresaw: its traceback is for the log, not for whoever asked
            LOG.exception("A request could not be answered.")
            return refusal(FAULT, "Something went wrong while captioning this photo: try again.")

    async def check_health(self) -> None:
        """Serve takes this replica out and starts another when this raises or takes too long."""
        await self._in(self._model, self._describer.check)

    async def identity(self) -> tuple[str, int]:
        """The replica's name and the id of its process, for tests under load."""
        return serve.get_replica_context().replica_id.unique_id, os.getpid()

    async def largest_batch(self) -> int:
        """The most questions that this replica has answered together."""
        return self._largest

    async def _route(self, request: Request) -> Response:
        match request.method, request.url.path.rstrip("/"):
            case "POST", "/describe":
                return await self._describe(request)
            case "GET", "/info":
                return JSONResponse(self._describer.info.to_record())
            case "GET", "/health":
                return JSONResponse({"healthy": True, "findings": list(self._describer.info.self_test.findings)})
        return refusal(NOT_FOUND, "There is POST /describe, GET /info and GET /health: ask for one of them.")

    async def _describe(self, request: Request) -> Response:
        asked = Asked.read(request.query_params)
        photo = await read_body(request)
        question = await self._in(self._pool, lambda: self._describer.question(photo, asked))
        outcome: Outcome = await self._run(question)
        if not isinstance(outcome, Description):
            raise outcome
        record = await self._in(self._pool, lambda: json.dumps(outcome.to_record(), ensure_ascii=False).encode())
        return Response(record, media_type="application/json")

    @serve.batch  # type: ignore[untyped-decorator]
    async def _run(self, questions: list[Question]) -> list[Outcome]:
        """Serve gathers the questions of several requests into one call."""
        self._largest = max(self._largest, len(questions))
        return await self._in(self._model, lambda: self._describer.answer(questions))

    @staticmethod
    async def _in(pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        """Do something in a thread of a pool, so that requests and questions of health are heard meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(pool, work)


async def read_body(request: Request) -> bytes:
    """The bytes of a photo.

    Raises:
        TooLargeError: there are more than MAX_PHOTO; the rest is not read.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_PHOTO:
            raise TooLargeError(f"The photo is larger than {MAX_PHOTO // 10**6} MB: save it as JPEG and try again")
        parts.append(part)
    return b"".join(parts)


def refusal(status: int, sentence: str) -> Response:
    """What cannot be done, as the contract says it."""
    return JSONResponse({"error": sentence}, status)


def application(options: ServingOptions) -> Any:
    """The deployment, ready for `serve.run`."""
    scaling = {
        "min_replicas": options.least,
        "initial_replicas": options.least,
        "max_replicas": options.most,
        "target_ongoing_requests": options.batch,
        "downscale_delay_s": CALM,
    }
    fixed = options.least == options.most
    deployment = serve.deployment(
        Replica,
        name=NAME,
        num_replicas=options.least if fixed else None,
        autoscaling_config=None if fixed else scaling,
        max_ongoing_requests=options.ongoing,
        max_queued_requests=options.queue,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        health_check_period_s=CHECK_EVERY,
        health_check_timeout_s=CHECK_WITHIN,
        graceful_shutdown_timeout_s=DRAIN,
        graceful_shutdown_wait_loop_s=0.5,
        max_surge_percent=options.surge,
        max_constructor_retry_count=2,
    )
    return deployment.bind(options)
