"""Which files are new: those that weren't there at any partition before, by name, size and content.

Each partition remembers the files that came with it alone, in its `upto`: a JSON object whose `seen` holds each file's
size, content and times, packed, and whose `renamed` those that an earlier partition had under other names. All that
were ever there are those of all partitions before together.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.resources.files.found import FoundFile

_CONTENT_CHARACTERS = 32


@dataclass(frozen=True)
class Mark:
    """One file as it was seen; `touched` is None where partitions were read before it was written down."""

    bytes: int
    changed: int | None
    content: str
    touched: int | None = field(default=None, compare=False)

    @staticmethod
    def of(file: FoundFile) -> "Mark":
        """Raises: SourceUnreadable: the file can't be read."""
        return Mark(file.bytes, file.changed, file.content()[:_CONTENT_CHARACTERS], file.touched)

    def is_of(self, file: FoundFile) -> bool:
        """Whether the file is as it was; its content is looked at only where something of it was touched.

        By `touched`, for who overwrites a file may set its time of change back.
        """
        if file.bytes != self.bytes:
            return False
        is_untouched = file.touched is not None and (file.changed, file.touched) == (self.changed, self.touched)
        return is_untouched or file.content()[:_CONTENT_CHARACTERS] == self.content

    def has_grown_to(self, file: FoundFile) -> bool:
        """Whether the file is what it was with more behind it: it was seen while it was still being written."""
        return file.bytes > self.bytes and file.begins_with(self.content, self.bytes)


@dataclass(frozen=True)
class Seen:
    """Files as they were seen, by name; those that have vanished stay, so that none is read twice."""

    marks: dict[str, Mark]
    renamed: dict[str, Mark] = field(default_factory=dict)
    """Files that were read before under other names."""

    @staticmethod
    def remembered(uptos: Iterable[str], attempted: str) -> "Seen":
        """What some partitions wrote down, together.

        Raises:
            SourceUnreadable: one of them was read from something else than files.
        """
        marks, renamed = dict[str, Mark](), dict[str, Mark]()
        for upto in uptos:
            told = json.loads(upto)
            if told.get("seen") is None:
                raise _other_kind(attempted)
            marks.update(_unpacked(told["seen"]))
            renamed.update(_unpacked(told["renamed"]) if "renamed" in told else {})
        return Seen(marks, renamed)

    @property
    def known(self) -> dict[str, Mark]:
        """Everything that was there, by each of its names."""
        return self.renamed | self.marks

    def written(self) -> str:
        """The same files always give the same text."""
        renamed = {"renamed": _packed(self.renamed)} if self.renamed else {}
        return json.dumps({"files": len(self.marks), "seen": _packed(self.marks), **renamed})


@dataclass(frozen=True)
class Arrivals:
    """The files of one partition, as they were seen."""

    files: tuple[FoundFile, ...]
    contents: tuple[tuple[str, str], ...]
    """Name and content of each that isn't empty."""
    seen: Seen


def arrivals(files: Sequence[FoundFile], since: Seen, attempted: str) -> Arrivals:
    """The files that weren't there before, under whatever name.

    Raises:
        SourceUnreadable: one that was there has changed since.
    """
    known = since.known
    there = {file.name for file in files}
    gone = {mark for name, mark in known.items() if name not in there}
    new, marks, renamed = list[FoundFile](), dict[str, Mark](), dict[str, Mark]()
    for file in files:
        before = known.get(file.name)
        if before is None and not file.bytes:
            # Not remembered: it may only have been begun, and what is written into it is new then.
            new.append(file)
        elif before is None:
            mark = Mark.of(file)
            if _is_renamed(mark, gone):
                renamed[file.name] = mark
            else:
                marks[file.name] = mark
                new.append(file)
        elif not before.is_of(file):
            raise _changed(attempted, file.name, has_grown=before.has_grown_to(file))
    return _arrived(new, Seen(marks, renamed))


def arrivals_again(files: Sequence[FoundFile], since: Seen, upto: Seen, attempted: str) -> Arrivals:
    """The files of a partition that was read before: as they were then, or grown, so that no row of them is lost.

    Raises:
        SourceMissing: one of them is gone.
        SourceUnreadable: one of them has changed otherwise.
    """
    there = {file.name: file for file in files}
    wanted = [name for name in sorted(upto.marks) if name not in since.marks]
    gone = [name for name in wanted if name not in there]
    if gone:
        what = f"{gone[0]} is gone" + (f", and {len(gone) - 1} more" if len(gone) > 1 else "")
        raise SourceMissing(attempted, what, "Put it back as it was, and run the partition again.")
    marks = {name: _mark_again(there[name], upto.marks[name], attempted) for name in wanted}
    return _arrived([there[name] for name in wanted], Seen(marks, upto.renamed))


def _mark_again(file: FoundFile, before: Mark, attempted: str) -> Mark:
    if before.is_of(file):
        return before
    if before.has_grown_to(file):
        return Mark.of(file)
    raise _changed(attempted, file.name, has_grown=False)


def _is_renamed(mark: Mark, gone: set[Mark]) -> bool:
    """By time and content: a new file may well say the same as one that is gone, but wasn't changed at its instant.

    Stores of buckets keep no such time when an object gets another name.
    """
    return mark.changed is not None and mark in gone


def _arrived(files: list[FoundFile], seen: Seen) -> Arrivals:
    return Arrivals(tuple(files), tuple((name, mark.content) for name, mark in seen.marks.items()), seen)


def _packed(marks: Mapping[str, Mark]) -> str:
    told = {name: [mark.bytes, mark.changed, mark.content, mark.touched] for name, mark in sorted(marks.items())}
    return base64.b64encode(zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 9)).decode()


def _unpacked(packed: str) -> dict[str, Mark]:
    return {name: Mark(*mark) for name, mark in json.loads(zlib.decompress(base64.b64decode(packed))).items()}


def _other_kind(attempted: str) -> SourceUnreadable:
    return SourceUnreadable(
        attempted,
        "a partition of this name was read from something else than files, so that nothing tells which files are new",
        "Declare the files as another dataset, which begins with everything.",
    )


def _changed(attempted: str, name: str, *, has_grown: bool) -> SourceUnreadable:
    if has_grown:
        return SourceUnreadable(
            attempted,
            f"{name} has grown since it was read, so its new rows can't be told from older ones",
            "Materialize the partition that read it once more: it takes the whole file; then this one. Write files"
            " elsewhere and rename them once they are complete. For those that go on growing declare a `cursor`, a"
            " column that only grows.",
        )
    return SourceUnreadable(
        attempted,
        f"{name} has changed since it was read, so its new rows can't be told from older ones",
        "Put it back as it was and new rows into a new file; or declare a `cursor`, a column that only grows.",
    )
