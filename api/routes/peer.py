"""Where a request comes from, as far as it can be trusted: the socket's other end, never what a header claims."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import Scope

# Whoever sends one of these speaks for somebody else, who need not be on this machine.
FORWARDING = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
# Whoever has one address of IPv6 has all of its network.
NETWORK_BITS = 64


def is_local(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a program on this machine asks for itself."""
    address = _address(scope)
    return address is not None and address.is_loopback and not any(name in headers for name in FORWARDING)


def peer_name(scope: Scope) -> str:
    """Whose requests are counted together: an address of IPv4, or a network of IPv6."""
    address = _address(scope)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
    return str(address)


def has_local_host(headers: Mapping[str, str]) -> bool:
    """Whether a request is addressed to this machine by a name that nobody else can give it.

    A page of a stranger whose name resolves to 127.0.0.1 (DNS rebinding) sends that name as `Host`.
    """
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_foreign(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a browser sends a change on behalf of a page of another origin."""
    origin = headers.get("origin")
    if origin is None or scope["method"] in SAFE_METHODS:
        return False
    try:
        parts = urlsplit(origin)
        default = DEFAULT_PORTS[parts.scheme]
        asked = urlsplit(f"//{headers.get('host', '')}")
        return (parts.hostname, parts.port or default) != (asked.hostname, asked.port or default)
    except (KeyError, ValueError):
        # `null`, which stands for an origin that is nobody's business, or not an origin at all.
        return True


def _address(scope: Scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The other end of the socket; None where it has no address."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
