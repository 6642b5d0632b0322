"""The socket the API answers on. The supervisor holds it, so the port stays ours while the API restarts."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable

from heron_ray.errors import ListenError


def listen(host: str, port: int, *, has_keys: Callable[[], bool] = lambda: False) -> socket.socket:
    """A listening socket.

    Args:
        host: Name or address of this machine.
        port: 0 for a free one.
        has_keys: Whether there are API keys, asked where others can reach the host: without one, nobody there could be let in.

    Raises:
        ListenError: The host is not known or others can reach it although there are no keys, or the port is in use.
    """
    family, address = _resolve(host)
    if not _is_loopback(address) and not has_keys():
        raise ListenError(
            f"refusing to listen on {host}: it can be reached from other machines, and the service has no API keys yet",
            hint="make one with: heron key create; or use --host 127.0.0.1, and a tunnel such as ssh -L",
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _explain(host, port, error) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Where the API answers; on this machine's loopback address where it listens on all."""
    address, port = listener.getsockname()[:2]
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - it is not bound here
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise ListenError(f"the host {host!r} is not known on this machine", hint="use --host 127.0.0.1") from None
    return found[0][0], str(found[0][4][0])


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _explain(host: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(f"port {port} on {host} is in use", hint="choose another with --port, or --port 0 for a free one")
    return ListenError(f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another with --port")
