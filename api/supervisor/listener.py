"""The socket the API answers on. The supervisor holds it, so the port stays ours while the API restarts."""

from __future__ import annotations

import errno
import ipaddress
import socket

from heron_ray.errors import ListenError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address.

    Raises:
        ListenError: The host is not loopback or not known, or the port is in use.
    """
    family, address = _resolve(host)
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
    """Where the API answers."""
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise ListenError(f"the host {host!r} is not known on this machine", hint="use --host 127.0.0.1") from None
    addresses = [(family, str(where[0])) for family, _, _, _, where in found]
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for _, address in addresses):
        raise ListenError(
            f"refusing to listen on {host}: it can be reached from other machines, and the service has no API keys yet",
            hint="use --host 127.0.0.1, and a tunnel such as ssh -L to reach it from elsewhere",
        )
    return addresses[0]


def _explain(host: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(f"port {port} on {host} is in use", hint="choose another with --port, or --port 0 for a free one")
    return ListenError(f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another with --port")
