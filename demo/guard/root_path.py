"""The path under which a proxy shows the page: /saywhere where it is https://school.example/saywhere/."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from demo.guard.asgi import Message
from demo.guard.origins import read_origin

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def read_root_path(value: str) -> str:
    """Check a root path: in the form that Gradio wants, without a slash at its end; "" or / is none.

    Raises:
        ValueError: it is neither a path nor a whole http address.
    """
    parts = urlsplit(value)
    path = parts.path.strip("/")
    whole = f"/{path}" if path else ""
    try:
        origin = read_origin(f"{parts.scheme}://{parts.netloc}") if parts.scheme else ""
        usable = not (parts.query or parts.fragment or (parts.netloc and not origin))
    except ValueError:
        usable = False
    if not usable or (whole and (not _PATH.fullmatch(whole) or {".", ".."} & set(path.split("/")))):
        raise ValueError(f"expected a path such as /saywhere, got {value!r}")
    return origin + whole


class RootPath:
    """Takes the path that a proxy may have left away from a request.

    Args:
        value: as `read_root_path` gives it.
    """

    def __init__(self, value: str) -> None:
        parts = urlsplit(value)
        self.path = parts.path
        self.origins = (f"{parts.scheme}://{parts.netloc}",) if parts.scheme else ()

    def inside(self, scope: Message) -> Message:
        """The request as it is asked without a proxy; one slash too many, as nginx may add it, goes too."""
        path = re.sub("^/+", "/", scope["path"])
        if self.path and (path == self.path or path.startswith(f"{self.path}/")):
            path = path[len(self.path) :] or "/"
        return {**scope, "path": re.sub("^/+", "/", path)}
