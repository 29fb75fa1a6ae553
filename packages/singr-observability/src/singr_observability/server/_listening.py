"""Sockets to serve on: bound before any process starts, so that an address that is taken is an error at once."""

import errno
import socket


def listen_on(host: str, port: int, *, settings: str) -> socket.socket:
    """Bind a TCP socket; port 0 takes a free one.

    Answers leave at once: head and body are two writes, and under Nagle's algorithm the second would wait 40 ms for the
    caller's delayed acknowledgement. asyncio turns it off by itself only for sockets made with the protocol's number,
    which uvicorn leaves out of those it binds.

    Args:
        host: name or address.
        port: 0 to 65535.
        settings: what the operator reads about where the address comes from, such as `see HOST and PORT`.

    Raises:
        OSError: the address is taken, or is none of this machine's; its words name it and the settings.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _unusable(host, port, settings, error) from error
    family, kind, _, _, address = found[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, settings, error) from error
    return listener


def _unusable(host: str, port: int, settings: str, error: OSError | UnicodeError) -> OSError:
    why = error.strerror if isinstance(error, OSError) else "it is not a host name"
    number = error.errno if isinstance(error, OSError) else errno.EINVAL
    return OSError(number, f"cannot listen on {host}:{port} ({settings}): {why}")
