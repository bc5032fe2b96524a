"""Tests send traffic to this machine alone: whoever wants to reach another host is stopped, and told of at the end."""

import ipaddress
import socket
import sys

wanted: set[str] = set()
"""The hosts beside this one that anything in this process looked up or connected to."""


def watch() -> None:
    """From now on, for as long as the process lives: an audit hook can't be taken away."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        _check(arguments[0])
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        _check(arguments[1][0])


def _check(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if not _is_here(name):
        wanted.add(name)
        raise socket.gaierror(socket.EAI_NONAME, "tests reach this machine alone")


def _is_here(name: str) -> bool:
    """Names that end in .invalid lead nowhere by their standard (RFC 6761), those in .localhost lead here."""
    if name in ("", "localhost", socket.gethostname()) or name.endswith((".localhost", ".invalid")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
