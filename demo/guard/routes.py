"""The doors of the page: what it and its public API need of Gradio's addresses. All others are not there.

Gradio serves much more than that (direct calls of any listener, streams, fetching other sites, deep links, recordings,
an editor, monitoring, a login); a door that nobody needs is one that nobody has to watch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["static", "page", "file", "upload", "caption", "question"]

API = "/gradio_api"
FILE_PREFIX = f"{API}/file="
PUBLIC = "caption|probe"
CALLED = f"{PUBLIC}|look"  # `look` is the page's own

READ: tuple[tuple[Kind, str], ...] = (
    ("static", r"/(assets|static)/.+"),
    ("static", r"/(favicon\.ico|robots\.txt)"),
    ("page", r"/|/config/?|/theme\.css|/health"),
    ("page", rf"{API}/(info|openapi\.json|startup-events|queue/data|upload_progress)"),
    ("page", rf"{API}/call/({CALLED})/[0-9a-f]+"),
    ("page", rf"{API}/call/v2/({PUBLIC})/[0-9a-f]+"),
    ("file", rf"{FILE_PREFIX}.+"),
)
WRITTEN: tuple[tuple[Kind, str], ...] = (
    ("upload", rf"{API}/upload"),
    ("caption", rf"{API}/call/({CALLED})/?"),
    ("caption", rf"{API}/call/v2/({PUBLIC})/?"),
    ("caption", rf"{API}/queue/join"),
    ("question", rf"{API}/component_server/?"),
    ("page", rf"{API}/cancel"),
)


@dataclass(frozen=True)
class Door:
    """Where a request goes. `writes`: it has a body."""

    kind: Kind
    writes: bool


def find_door(method: str, path: str) -> Door | None:
    """The door of a request, or None where there is none. `path` is decoded, without the query."""
    if method in ("GET", "HEAD"):
        table = READ
    elif method == "POST":
        table = WRITTEN
    else:
        return None
    for kind, pattern in table:
        if re.fullmatch(pattern, path):
            return Door(kind, method == "POST")
    return None
