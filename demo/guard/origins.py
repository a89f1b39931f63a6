"""Whether a request that does something comes from the page itself or from another site in the visitor's browser."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from demo.guard.asgi import Message, header_values
from demo.guard.clients import forwarded
from demo.own_address import bracketed

DEFAULT_PORTS = {"http": 80, "https": 443}
SHOWN_OF = (b"origin", b"host")
SHOWN = 100  # signs of either


def is_own_origin(scope: Message, others: Collection[str] = (), proxies: int = 0) -> bool:
    """Whether a request comes from the page itself, or from one of `others`.

    A browser always tells the origin of a POST; what tells none is a program, and passes. Over https, and on its own
    computer, a browser also says itself whether that is the page's, which no script can: then no proxy need have left
    the host as it was. Elsewhere the origin is compared with the host that was asked.
    """
    told = header_values(scope, b"origin")
    if not told:
        return True
    origin = _parts(told[0].decode("latin-1")) if len(told) == 1 else None
    if origin is None:
        return False
    if origin in map(_parts, others) or header_values(scope, b"sec-fetch-site") == [b"same-origin"]:
        return True
    # Behind a proxy the server does not see which scheme the visitor used: no port is the origin's own default.
    return any(_parts(f"{origin[0]}://{host}") == origin for host in _hosts(scope, proxies))


def refusal_reason(scope: Message) -> str:
    """For the log: what was refused, and what whoever runs the page can do where it was the page itself."""
    origin, host = (ascii(b", ".join(header_values(scope, name)).decode("latin-1"))[1:-1][:SHOWN] for name in SHOWN_OF)
    return (
        f"A request from {origin} was refused, because it asked for {host or 'no host'}. If that is this page behind a "
        "proxy, let the proxy pass on the host as the browser names it (nginx: proxy_set_header Host $http_host;) or "
        f"start with --origins {origin}; see .hosting/README.md."
    )


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


def _parts(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None where it is no origin of a page."""
    try:
        parts = urlsplit(origin)
        default = DEFAULT_PORTS.get(parts.scheme)
        if default is None or not parts.hostname or parts.username is not None or parts.path:
            return None
        return parts.scheme, parts.hostname, parts.port or default
    except ValueError:  # a port that is no number
        return None


def _hosts(scope: Message, proxies: int) -> Iterator[str]:
    """The host that was asked, in the forms in which trusted proxies may have left it.

    A proxy that names its own way to this server as the host says elsewhere what it was asked; only then that counts,
    since a proxy that does neither passes on what anybody says there.
    """
    told = header_values(scope, b"host")
    host = told[0].decode("latin-1") if len(told) == 1 else ""
    seen = forwarded(scope, "host", proxies)
    if seen and _is_inner(host, scope):
        host = seen
    yield host
    port, asked = forwarded(scope, "port", proxies), _parts(f"http://{host}")
    if port.isdigit() and asked is not None:
        yield f"{bracketed(asked[1])}:{port}"


def _is_inner(host: str, scope: Message) -> bool:
    """Whether a host is this very socket, as nginx and Apache name it if they are not told otherwise."""
    server = scope.get("server") or ("", None)
    inner = _parts(f"http://{host}")
    return inner is not None and inner[2] == server[1] and inner[1] in ("localhost", server[0])
