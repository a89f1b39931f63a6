"""Who sent a request: the address of its connection or, behind proxies the operator named, the one they saw."""

from __future__ import annotations

import ipaddress

from demo.guard.asgi import Message, header_values

FORWARDED = (b"forwarded", b"x-real-ip")
FORWARDED_PREFIX = b"x-forwarded-"
IPV6_NETWORK = 64  # bits; one subscriber has all addresses of such a network


def client_of(scope: Message, proxies: int) -> str:
    """The address to count a request for.

    Args:
        proxies: how many trusted proxies stand in front. Each adds the address it was asked from to X-Forwarded-For, so
            the visitor's is the entry that many places from the right; what stands further left anyone can write.
    """
    peer = str((scope.get("client") or ("",))[0])
    if proxies:
        told = b",".join(header_values(scope, b"x-forwarded-for")).decode("latin-1")
        entries = [entry.strip() for entry in told.split(",") if entry.strip()]
        if entries:
            seen = _address(entries[-min(proxies, len(entries))])
            if seen:
                return seen
    return _address(peer) or peer


def without_forwarded(scope: Message) -> Message:
    """The request without what only a trusted proxy may say of it; Gradio would believe anybody."""
    headers = [
        (name, value)
        for name, value in scope.get("headers", ())
        if name.lower() not in FORWARDED and not name.lower().startswith(FORWARDED_PREFIX)
    ]
    return {**scope, "headers": headers}


def _address(entry: str) -> str:
    """An address without its port, an IPv6 one as its network; nothing where it is none."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ipaddress.ip_address(entry.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)
