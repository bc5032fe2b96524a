"""As much of the SFTP protocol, version 3, as writing takes, and reading one file; nothing here lists or removes.

paramiko's own SFTP client drops the answers to pipelined writes, so a full disk would go unnoticed, and it tells
neither the server's status codes nor its extensions. Here every answer is looked at.
Source: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for the extensions.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct, error
from typing import Literal, Protocol

BLOCK_BYTES = 32_000
"""One write with its head fits into one SSH packet of 32 KiB, which every server takes."""
_READ_BYTES = 200_000
_IN_FLIGHT = 64
_LONGEST_ANSWER_BYTES = 1 << 18
_VERSION = 3

_INIT, _VERSION_ANSWER, _OPEN, _CLOSE, _READ, _WRITE, _FSTAT, _MKDIR, _RENAME = 1, 2, 3, 4, 5, 6, 8, 14, 18
_STATUS, _HANDLE, _DATA, _ATTRIBUTES, _EXTENDED = 101, 102, 103, 105, 200
_TO_READ, _TO_WRITE, _CREATE, _TRUNCATE, _EXCLUSIVE = 0x01, 0x02, 0x08, 0x10, 0x20
_HAS_SIZE = 0x01
_REPLACE, _SYNC = "posix-rename@openssh.com", "fsync@openssh.com"
_NO_ATTRIBUTES = b"\0\0\0\0"

_byte, _int, _long = Struct(">B"), Struct(">I"), Struct(">Q")

Request = Literal["open", "read", "write", "close", "fstat", "fsync", "mkdir", "rename", "posix-rename"]
Handle = bytes

NO_SUCH_FILE = "SSH_FX_NO_SUCH_FILE"
PERMISSION_DENIED = "SSH_FX_PERMISSION_DENIED"
FAILURE = "SSH_FX_FAILURE"
OP_UNSUPPORTED = "SSH_FX_OP_UNSUPPORTED"
_EOF = "SSH_FX_EOF"
_STATUSES = {
    1: _EOF,
    2: NO_SUCH_FILE,
    3: PERMISSION_DENIED,
    4: FAILURE,
    5: "SSH_FX_BAD_MESSAGE",
    6: "SSH_FX_NO_CONNECTION",
    7: "SSH_FX_CONNECTION_LOST",
    8: OP_UNSUPPORTED,
}


class Refused(Exception):
    """The server answered a request with an error; the connection is whole. Carries no text of the server's."""

    def __init__(self, request: Request, status: str) -> None:
        self.request: Request = request
        self.status = status
        super().__init__(f"{request}: {status}")


class Garbled(Exception):
    """What came is no SFTP; the connection is of no more use."""


class Stream(Protocol):
    """The two-way stream that SFTP is spoken on. Both methods raise OSError or EOFError where it is broken."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, byte_count: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Answer:
    kind: int
    body: bytes


class SftpSession:
    """One conversation with a server; for one thread at a time.

    Every method raises `Refused` where the server says no, and OSError, EOFError or `Garbled` where the connection
    broke. Paths are as the server has them; a relative one starts at the user's login folder.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._came = bytearray()
        self._answers: dict[int, _Answer] = {}
        self._number = 0
        self._extensions = self._greet()

    @property
    def can_replace(self) -> bool:
        """Whether the server can rename a file over another one."""
        return _REPLACE in self._extensions

    def create(self, path: str) -> Handle:
        """Opens a new, empty file to write; an old one is emptied where the server can't move it out of the way."""
        return self._open(path, _TO_WRITE | _CREATE | (_EXCLUSIVE if self.can_replace else _TRUNCATE))

    def write(self, handle: Handle, blocks: Iterable[bytes]) -> None:
        """Writes blocks of at most `BLOCK_BYTES` one after the other from the start, many of them under way at once."""
        waiting: deque[int] = deque()
        position = 0
        try:
            for block in blocks:
                if len(waiting) == _IN_FLIGHT:
                    self._done("write", waiting.popleft())
                waiting.append(self._send(_WRITE, _text(handle), _long.pack(position), _text(block)))
                position += len(block)
            while waiting:
                self._done("write", waiting.popleft())
        except Refused:
            for number in waiting:
                self._answer(number)
            raise

    def size(self, handle: Handle) -> int | None:
        """The bytes that an open file has by now; None where the server may not or can't tell."""
        answer = self._answer(self._send(_FSTAT, _text(handle)))
        if answer.kind != _ATTRIBUTES:
            return _unless_not_allowed("fstat", answer)
        (flags,) = _unpack(_int, answer.body)
        return _unpack(_long, answer.body, _int.size)[0] if flags & _HAS_SIZE else None

    def sync(self, handle: Handle) -> None:
        """Makes an open file durable, where the server may and can."""
        if _SYNC in self._extensions:
            _unless_not_allowed("fsync", self._answer(self._extended(_SYNC, _text(handle))))

    def close(self, handle: Handle) -> None:
        self._done("close", self._send(_CLOSE, _text(handle)))

    def mkdir(self, path: str) -> None:
        self._done("mkdir", self._send(_MKDIR, _path(path), _NO_ATTRIBUTES))

    def rename(self, old: str, new: str) -> None:
        """Renames a file; refused where another one has the new name."""
        self._done("rename", self._send(_RENAME, _path(old), _path(new)))

    def replace(self, old: str, new: str) -> None:
        """Renames a file; it takes the place of another one in one step. Only where `can_replace`."""
        self._done("posix-rename", self._extended(_REPLACE, _path(old), _path(new)))

    def empty(self, path: str) -> None:
        """Takes the bytes out of a file that exists."""
        self.close(self._open(path, _TO_WRITE | _TRUNCATE))

    def lies_there(self, path: str) -> bool:
        """Whether something has this name, found out with the right to write alone; it isn't changed."""
        try:
            self.close(self._open(path, _TO_WRITE))
        except Refused as refused:
            return refused.status != NO_SUCH_FILE
        return True

    def read(self, path: str) -> Iterator[bytes]:
        """A file's bytes. For `ctexport verify` alone: deliveries never read."""
        handle = self._open(path, _TO_READ)
        position = 0
        while block := self._block(handle, position):
            yield block
            position += len(block)
        self.close(handle)

    def _block(self, handle: Handle, position: int) -> bytes:
        """What a file has from a position on, as much as the server gives at once; nothing at its end."""
        answer = self._answer(self._send(_READ, _text(handle), _long.pack(position), _int.pack(_READ_BYTES)))
        if answer.kind == _DATA:
            return _first_field(answer.body)
        refused = _refused("read", answer)
        if refused.status != _EOF:
            raise refused
        return b""

    def _open(self, path: str, flags: int) -> Handle:
        answer = self._answer(self._send(_OPEN, _path(path), _int.pack(flags), _NO_ATTRIBUTES))
        if answer.kind != _HANDLE:
            raise _refused("open", answer)
        return _first_field(answer.body)

    # Requests and answers, each with the request's number

    def _greet(self) -> frozenset[str]:
        """Says hello; the extensions that the server offers."""
        self._send_packet(_byte.pack(_INIT) + _int.pack(_VERSION))
        packet = self._packet()
        if packet[:1] != _byte.pack(_VERSION_ANSWER):
            raise Garbled
        fields = _fields(packet[1 + _int.size :])
        return frozenset(name.decode(errors="replace") for name in fields[::2])

    def _send(self, kind: int, *fields: bytes) -> int:
        self._number = (self._number + 1) % (1 << 32)
        self._send_packet(b"".join((_byte.pack(kind), _int.pack(self._number), *fields)))
        return self._number

    def _extended(self, name: str, *fields: bytes) -> int:
        return self._send(_EXTENDED, _text(name.encode()), *fields)

    def _done(self, request: Request, number: int) -> None:
        answer = self._answer(number)
        if not _is_ok(answer):
            raise _refused(request, answer)

    def _answer(self, number: int) -> _Answer:
        """Answers may come in any order."""
        while number not in self._answers:
            packet = self._packet()
            self._answers[_unpack(_int, packet, 1)[0]] = _Answer(packet[0], packet[1 + _int.size :])
        return self._answers.pop(number)

    def _send_packet(self, packet: bytes) -> None:
        self._stream.sendall(_text(packet))

    def _packet(self) -> bytes:
        (length,) = _int.unpack(self._bytes(_int.size))
        if not 1 + _int.size <= length <= _LONGEST_ANSWER_BYTES:
            raise Garbled
        return self._bytes(length)

    def _bytes(self, count: int) -> bytes:
        while len(self._came) < count:
            block = self._stream.recv(1 << 16)
            if not block:
                raise EOFError
            self._came += block
        taken = bytes(self._came[:count])
        del self._came[:count]
        return taken


def _text(content: bytes) -> bytes:
    return _int.pack(len(content)) + content


def _path(path: str) -> bytes:
    return _text(path.encode())


def _first_field(body: bytes) -> bytes:
    (length,) = _unpack(_int, body)
    return body[_int.size : _int.size + length]


def _fields(body: bytes) -> list[bytes]:
    fields, position = [], 0
    while position < len(body):
        (length,) = _unpack(_int, body, position)
        position += _int.size
        fields.append(body[position : position + length])
        position += length
    return fields


def _unpack(form: Struct, body: bytes, position: int = 0) -> tuple[int]:
    try:
        return form.unpack_from(body, position)
    except error:
        raise Garbled from None


def _is_ok(answer: _Answer) -> bool:
    return answer.kind == _STATUS and _unpack(_int, answer.body) == (0,)


def _refused(request: Request, answer: _Answer) -> Refused:
    if answer.kind != _STATUS:
        raise Garbled
    (status,) = _unpack(_int, answer.body)
    return Refused(request, _STATUSES.get(status, f"SSH_FX {status}"))


def _unless_not_allowed(request: Request, answer: _Answer) -> None:
    """Nothing, where a request that we can do without was done, isn't allowed or isn't known."""
    if not _is_ok(answer) and (refused := _refused(request, answer)).status not in (PERMISSION_DENIED, OP_UNSUPPORTED):
        raise refused
