"""The page's own address: how it is written, whether it is free, and how the page asks itself without a proxy."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

# `*` goes before every proxy of the environment, and before those of Windows and macOS, which are asked without it.
DIRECT = {"no_proxy": "*", "NO_PROXY": "*"}
ELSEWHERE = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # certificates of others; a file that is missing is an error of httpx
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
NAMED = {"": "localhost", "0.0.0.0": "localhost", "::": "::1"}  # noqa: S104 (what a browser calls all addresses)


class UnusableAddressError(ValueError):
    """The page cannot be served at this host and port."""


@contextmanager
def without_proxies(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Let httpx use no proxy meanwhile; afterwards the environment is as it was, for what is fetched from elsewhere.

    Gradio asks its own address when it starts, and makes clients as soon as it is imported; httpx raises where it does
    not know a proxy's kind, and a proxy elsewhere cannot reach this machine's 127.0.0.1.
    """
    kept = {name: environment.get(name) for name in (*DIRECT, *ELSEWHERE)}
    for name in ELSEWHERE:
        environment.pop(name, None)
    environment.update(DIRECT)
    try:
        yield
    finally:
        for name, value in kept.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value


def read_host(value: str) -> str:
    """Check a host the operator named: an address in its short form and without brackets, or a name as it is.

    Raises:
        ValueError: it names the network card, which no address of a page can.
    """
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if "%" in bare:
        raise ValueError(f"expected an address without a network card, got {value!r}")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def page_address(host: str, port: int) -> str:
    """What a browser on this computer opens."""
    return f"http://{bracketed(NAMED.get(host, host))}:{port}/"


def find_address(host: str, port: int) -> str:
    """Where to listen, found out before the model is loaded: the host, or the one of its addresses that is there.

    Raises:
        UnusableAddressError: the port is taken or not allowed, or the host is not this machine's.
    """
    free: list[str] = []
    absent: list[OSError] = []  # a container's localhost may name ::1 where there is no IPv6
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            problem = _try_to_bind(family, address)
            if problem is None:
                free.append(str(address[0]))
            elif problem.errno in ABSENT:
                absent.append(problem)
            else:
                raise problem
        if not free:
            raise absent[0]
    except (OSError, UnicodeError) as problem:  # a name may also be one that cannot be written
        reason = getattr(problem, "strerror", None) or "not usable"
        raise UnusableAddressError(
            f"{bracketed(host)}:{port} cannot be used ({reason.lower()}): choose another --port or --host."
        ) from problem
    return free[0] if absent else host


def _try_to_bind(family: int, address: tuple[Any, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as the server does
            probe.bind(address)
    except OSError as problem:
        return problem
    return None
