"""Which files are new: those that weren't there at the partition before, by name, size and content.

What was seen is remembered in the partition's `upto`: a JSON object whose `seen` holds each file's size, time and
content, packed, for it grows with every file.
"""

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.resources.files.found import FoundFile

_CONTENT_CHARACTERS = 32


@dataclass(frozen=True)
class Mark:
    """One file as it was seen."""

    bytes: int
    changed: int | None
    content: str

    @staticmethod
    def of(file: FoundFile) -> "Mark":
        """Raises: SourceUnreadable: the file can't be read."""
        return Mark(file.bytes, file.changed, file.content()[:_CONTENT_CHARACTERS])

    def is_of(self, file: FoundFile) -> bool:
        """Whether the file is as it was; its content is looked at only where its time is another one."""
        if file.bytes != self.bytes:
            return False
        is_as_old = file.changed is not None and file.changed == self.changed
        return is_as_old or file.content()[:_CONTENT_CHARACTERS] == self.content


@dataclass(frozen=True)
class Seen:
    """All files that were ever there, by name; those that have vanished stay, so that none is read twice."""

    marks: dict[str, Mark]

    @staticmethod
    def remembered(upto: str | None) -> "Seen":
        """What a partition wrote down; nothing for None."""
        if upto is None:
            return Seen({})
        packed = json.loads(upto)["seen"]
        found = json.loads(zlib.decompress(base64.b64decode(packed)))
        return Seen({name: Mark(*mark) for name, mark in found.items()})

    def written(self) -> str:
        """The same files always give the same text."""
        marks = {name: [mark.bytes, mark.changed, mark.content] for name, mark in sorted(self.marks.items())}
        packed = zlib.compress(json.dumps(marks, separators=(",", ":")).encode(), 9)
        return json.dumps({"files": len(marks), "seen": base64.b64encode(packed).decode()})


@dataclass(frozen=True)
class Arrivals:
    """The files of one partition, and all that were seen by its end."""

    files: tuple[FoundFile, ...]
    contents: tuple[tuple[str, str], ...]
    """Name and content of each."""
    seen: Seen


def arrivals(files: Iterable[FoundFile], since: Seen, attempted: str) -> Arrivals:
    """The files that weren't there before.

    Raises:
        SourceUnreadable: one that was there has changed since.
    """
    marks, new = dict(since.marks), list[FoundFile]()
    for file in files:
        known = since.marks.get(file.name)
        if known is None:
            marks[file.name] = Mark.of(file)
            new.append(file)
        elif not known.is_of(file):
            raise _changed(attempted, file.name)
    return _arrived(new, Seen(marks))


def arrivals_again(files: Iterable[FoundFile], since: Seen, upto: Seen, attempted: str) -> Arrivals:
    """The files that came between two partitions, as they were then.

    Raises:
        SourceMissing: one of them is gone.
        SourceUnreadable: one of them has changed.
    """
    there = {file.name: file for file in files}
    wanted = [name for name in sorted(upto.marks) if name not in since.marks]
    gone = [name for name in wanted if name not in there]
    if gone:
        what = f"{gone[0]} is gone" + (f", and {len(gone) - 1} more" if len(gone) > 1 else "")
        raise SourceMissing(attempted, what, "Put it back as it was, and run the partition again.")
    for name in wanted:
        if not upto.marks[name].is_of(there[name]):
            raise _changed(attempted, name)
    return _arrived([there[name] for name in wanted], upto)


def _arrived(files: list[FoundFile], seen: Seen) -> Arrivals:
    return Arrivals(tuple(files), tuple((file.name, seen.marks[file.name].content) for file in files), seen)


def _changed(attempted: str, name: str) -> SourceUnreadable:
    return SourceUnreadable(
        attempted,
        f"{name} has changed since it was read, so its new rows can't be told from older ones",
        "Put it back as it was and new rows into a new file; or declare a `cursor`, a column that only grows.",
    )
