"""Whether a request that does something comes from the page itself or from another site in the visitor's browser."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from demo.guard.asgi import Message, header_values

DEFAULT_PORTS = {"http": 80, "https": 443}


def is_own_origin(scope: Message, others: Collection[str] = ()) -> bool:
    """Whether a request's Origin is the host it asks, or one of `others`.

    A browser always tells the origin of a POST; what tells none is a program, and passes.
    """
    told = header_values(scope, b"origin")
    if not told:
        return True
    if len(told) > 1:
        return False
    origin = told[0].decode("latin-1")
    if origin in others:
        return True
    hosts = header_values(scope, b"host")
    return len(hosts) == 1 and _same_host(origin, hosts[0].decode("latin-1"))


def read_origin(value: str) -> str:
    """Check an origin given by the operator, such as https://school.example or http://10.0.0.2:8000.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(value)
        whole = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or value != f"{parts.scheme}://{parts.netloc}" or "@" in value:
        raise ValueError(f"expected an origin such as https://school.example, got {value!r}")
    return value.lower()


def _same_host(origin: str, host: str) -> bool:
    try:
        told, asked = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS.get(told.scheme)
        if default is None or not told.hostname or told.hostname != asked.hostname:
            return False
        # Behind a proxy the server does not see which scheme the visitor used: no port is the origin's own default.
        return (told.port or default) == (asked.port or default)
    except ValueError:  # a port that is no number
        return False
