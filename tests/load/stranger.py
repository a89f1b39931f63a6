"""Somebody else, who tries to reach the photo of a visitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from load.report import Report
from load.visitor import Visitor


def try_to_reach(address: str, owner: Visitor, report: Report) -> None:
    """As somebody else who knows how the page works, but not the random part of an address."""
    known = Path(owner.paths[0])
    folder, name = known.parent.parent, known.name
    api = f"{address}/gradio_api"
    guesses = {
        "listing the upload folder": f"{api}/file={folder}",
        "listing the photo's own folder": f"{api}/file={folder}/",
        "guessing a folder": f"{api}/file={folder}/{'0' * 64}/{name}",
        "leaving the folder": f"{api}/file={folder}/../{folder.name}",
        "the queue's messages without a session": f"{api}/queue/data?session_hash=",
        "a finished call": f"{api}/call/look/{'0' * 32}",
        "run history": f"{address}/gradio_api/history",
    }
    with httpx.Client(timeout=20) as stranger:
        for way, target in guesses.items():
            report.reached.extend(_opened(stranger, way, target, owner))
        session = owner.get_in_line(owner.paths[0])
        owner.wait(session)
        report.reached.extend(
            _opened(stranger, "replaying a finished session", f"{api}/queue/data?session_hash={session}", owner)
        )
        for path in (str(folder), f"{folder}/{'0' * 64}/{name}", f"{folder}/*/{name}", "/etc/hostname"):
            joined = stranger.post(f"{api}/call/caption", json={"data": [{"path": path}, 3]})
            if joined.status_code == 200:
                said = stranger.get(f"{api}/call/caption/{joined.json()['event_id']}").text
                if "attention" in said:
                    report.reached.append(f"a caption of {path}")
        report.done["attempts to reach a photo"] += len(guesses) + 5


def _opened(stranger: httpx.Client, way: str, target: str, owner: Visitor) -> Iterator[str]:
    """The way, where it gave a photo or an answer of the owner's; an endless stream is read for a moment."""
    content = bytearray()
    try:
        with stranger.stream("GET", target, timeout=3) as answer:
            for part in answer.iter_bytes():
                content += part
    except httpx.HTTPError:  # refused, or nothing came
        pass
    if any(photo in content for photo in owner.photos) or any(path.encode() in content for path in owner.paths):
        yield way
    if b'"kind":"result"' in content.replace(b" ", b""):
        yield way
