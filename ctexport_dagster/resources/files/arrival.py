"""Which files are new: those that weren't there at any partition before, by name, size and content.

Each partition remembers the files that came with it alone, in its `upto`: a JSON object whose `seen` holds each file's
size, time and content, packed. All that were ever there are those of all partitions before together.
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
    """Files as they were seen, by name; those that have vanished stay, so that none is read twice."""

    marks: dict[str, Mark]

    @staticmethod
    def remembered(uptos: Iterable[str], attempted: str) -> "Seen":
        """What some partitions wrote down, together.

        Raises:
            SourceUnreadable: one of them was read from something else than files.
        """
        marks = dict[str, Mark]()
        for upto in uptos:
            packed = json.loads(upto).get("seen")
            if packed is None:
                raise _other_kind(attempted)
            found = json.loads(zlib.decompress(base64.b64decode(packed)))
            marks.update({name: Mark(*mark) for name, mark in found.items()})
        return Seen(marks)

    def written(self) -> str:
        """The same files always give the same text."""
        marks = {name: [mark.bytes, mark.changed, mark.content] for name, mark in sorted(self.marks.items())}
        packed = zlib.compress(json.dumps(marks, separators=(",", ":")).encode(), 9)
        return json.dumps({"files": len(marks), "seen": base64.b64encode(packed).decode()})


@dataclass(frozen=True)
class Arrivals:
    """The files of one partition, as they were seen."""

    files: tuple[FoundFile, ...]
    contents: tuple[tuple[str, str], ...]
    """Name and content of each."""
    seen: Seen


def arrivals(files: Iterable[FoundFile], since: Seen, attempted: str) -> Arrivals:
    """The files that weren't there before.

    Raises:
        SourceUnreadable: one that was there has changed since.
    """
    marks, new = dict[str, Mark](), list[FoundFile]()
    for file in files:
        known = since.marks.get(file.name)
        if known is None:
            marks[file.name] = Mark.of(file)
            new.append(file)
        elif not known.is_of(file):
            raise _changed(attempted, file.name)
    return _arrived(new, marks)


def arrivals_again(files: Iterable[FoundFile], since: Seen, upto: Seen, attempted: str) -> Arrivals:
    """The files of a partition that was read before, as they were then.

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
    return _arrived([there[name] for name in wanted], {name: upto.marks[name] for name in wanted})


def _arrived(files: list[FoundFile], marks: dict[str, Mark]) -> Arrivals:
    return Arrivals(tuple(files), tuple((file.name, marks[file.name].content) for file in files), Seen(marks))


def _other_kind(attempted: str) -> SourceUnreadable:
    return SourceUnreadable(
        attempted,
        "a partition of this name was read from something else than files, so that nothing tells which files are new",
        "Declare the files as another dataset, which begins with everything.",
    )


def _changed(attempted: str, name: str) -> SourceUnreadable:
    return SourceUnreadable(
        attempted,
        f"{name} has changed since it was read, so its new rows can't be told from older ones",
        "Put it back as it was and new rows into a new file; or declare a `cursor`, a column that only grows.",
    )
