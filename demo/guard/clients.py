"""Who sent a request, and to which host: what its connection says or, behind proxies the operator named, they say."""

from __future__ import annotations

import ipaddress
import re

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
        seen = _address(forwarded(scope, "for", proxies))
        if seen:
            return seen
    return _address(peer) or peer


def forwarded(scope: Message, name: str, proxies: int) -> str:
    """What the farthest trusted proxy says in X-Forwarded-NAME or else in Forwarded (RFC 7239); "" if nothing.

    Args:
        name: "for", "host" or "port".
        proxies: how many are trusted.
    """
    told = b",".join(header_values(scope, b"x-forwarded-" + name.encode("ascii"))).decode("latin-1")
    if not told:
        elements = b",".join(header_values(scope, b"forwarded")).decode("latin-1").split(",")
        pairs = (dict(re.findall(r'([a-z]+)="?([^";]*)', element.lower())) for element in elements)
        told = ",".join(pair.get(name, "") for pair in pairs)
    entries = [entry.strip() for entry in told.split(",") if entry.strip()]
    return entries[-min(proxies, len(entries))] if entries and proxies else ""


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
