"""The keys by which a server is known: from a `known_hosts` file or pinned. None is ever accepted on first sight."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Verdict = Literal["trusted", "unknown", "changed", "revoked"]

_REVOKED = "@revoked"
_SSH_PORT = 22


@dataclass(frozen=True)
class HostKey:
    """One public key: its type, as `ssh-ed25519`, and its bytes."""

    type: str
    content: bytes


@dataclass(frozen=True)
class HostKeys:
    """What is known of one server. A revoked key is refused even where another line trusts it."""

    trusted: tuple[HostKey, ...]
    revoked: tuple[HostKey, ...] = ()

    @property
    def types(self) -> list[str]:
        """The types of the trusted keys, in their order: a server with several keys is to show one of these."""
        return list(dict.fromkeys(key.type for key in self.trusted))

    def verdict(self, shown: HostKey) -> Verdict:
        """`changed` where the server is known, but not by this key."""
        if shown in self.revoked:
            return "revoked"
        if shown in self.trusted:
            return "trusted"
        return "changed" if self.trusted else "unknown"


def pinned(lines: Iterable[str]) -> HostKeys:
    """Keys as `ssh-ed25519 AAAA… comment`, trusted for the one server that they are declared with.

    Raises:
        ValueError: one of them is no such line.
    """
    keys = [_key(line.split()) for line in lines]
    if not all(keys):
        raise ValueError("no host key")
    return HostKeys(tuple(key for key in keys if key))


def known(text: str, host: str, port: int) -> HostKeys:
    """What a `known_hosts` file says of one server. Certificate authorities and lines that make no sense are left out.

    Names may be hashed, hold `*` and `?`, or be ruled out by `!`; a port other than 22 stands as `[host]:port`.
    """
    name = (host if port == _SSH_PORT else f"[{host}]:{port}").lower()
    trusted, revoked = [], []
    for marker, key in _lines_of(text, name):
        (revoked if marker == _REVOKED else trusted).append(key)
    return HostKeys(tuple(trusted), tuple(revoked))


def _lines_of(text: str, name: str) -> Iterator[tuple[str, HostKey]]:
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if marker in ("", _REVOKED) and (key := _key(fields[1:])) and _is_meant(fields[0], name):
            yield marker, key


def _key(fields: list[str]) -> HostKey | None:
    if len(fields) < 2:
        return None
    try:
        content = base64.b64decode(fields[1], validate=True)
    except binascii.Error:
        return None
    # The bytes begin with the type once more, after its length.
    return HostKey(fields[0], content) if content[4:].startswith(fields[0].encode()) else None


def _is_meant(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _is_hash_of(patterns, name)
    each = patterns.lower().split(",")
    if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in each):
        return False
    return any(_fits(pattern, name) for pattern in each)


def _fits(pattern: str, name: str) -> bool:
    """The brackets of `[host]:port` are no set of characters."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(hashed: str, name: str) -> bool:
    """`|1|salt|hash`: the name's HMAC-SHA1, which OpenSSH writes under HashKnownHosts."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
