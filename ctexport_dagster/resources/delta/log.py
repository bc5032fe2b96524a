"""A table's log: which versions there were when, and which files each commit added, removed and wrote as changes.

A commit's instant is what the commit itself says (in-commit timestamp, else commitInfo), not the log file's own: that
one changes when a table is copied. Clocks of writers differ: a version counts as committed before an instant only if
all before it were.
"""

import io
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import pyarrow.fs as pafs

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.resources.delta.place import Place

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..+")
_CLOCKS_DIFFER = timedelta(days=1)
BEFORE_ALL = -1


@dataclass(frozen=True)
class LoggedFile:
    """A file that a commit names; `path` is relative to the table, `values` are its partition's, as text."""

    path: str
    values: Mapping[str, str | None]
    bytes: int
    has_deletions: bool


@dataclass(frozen=True)
class Commit:
    """What one commit did to the rows; files that it only arranged anew (OPTIMIZE) aside."""

    version: int
    added: tuple[LoggedFile, ...]
    removed: tuple[LoggedFile, ...]
    changes: tuple[LoggedFile, ...]
    configuration: Mapping[str, str] | None
    """The table's settings, where the commit changed them."""


@dataclass(frozen=True)
class DeltaLog:
    """The log of a table, as it was listed when first looked at."""

    place: Place

    def as_of(self, instant: datetime) -> int:
        """The last version committed before an instant; BEFORE_ALL where the table is younger.

        Raises:
            SourceMissing: there is no log, or it no longer reaches back to that instant.
        """
        late: int | None = None
        for version in reversed(self._not_much_later(instant)):
            committed = self.instant_of(version)
            if committed >= instant:
                late = version
            elif committed < instant - _CLOCKS_DIFFER:
                break
        if late is None:
            return self.newest
        if late == min(self._commits) and late > 0:
            raise self._expired(f"the log no longer tells what stood before {instant:%Y-%m-%d %H:%M} UTC")
        return late - 1

    @property
    def newest(self) -> int:
        """The newest version.

        Raises:
            SourceMissing: there is no log.
        """
        if not self._commits:
            what = f"there is no Delta table at {self.place.name}"
            raise SourceMissing(self.place.attempted, what, "Mend `table:`, or write the table first.")
        return max(self._commits)

    def check_readable(self, version: int) -> None:
        """Makes sure that the table can still be put together as it stood at a version.

        Raises:
            SourceMissing: commits that it takes have been cleaned up.
        """
        base = max((checkpoint for checkpoint in self._checkpoints if checkpoint <= version), default=BEFORE_ALL)
        if any(needed not in self._commits for needed in range(base + 1, version + 1)):
            raise self._expired(f"the log no longer tells what stood at version {version}")

    def commits(self, after: int, upto: int) -> Iterator[Commit]:
        """The commits of the versions `(after, upto]`, in order.

        Raises:
            SourceUnreadable: one of them has been cleaned up: what came since can't be told.
        """
        gone = next((version for version in range(after + 1, upto + 1) if version not in self._commits), None)
        if gone is not None:
            what = f"the log no longer has version {gone}: which rows came since version {after} can't be told"
            fix = "Keep the log longer (delta.logRetentionDuration), and read this partition from a new source."
            raise SourceUnreadable(self.place.attempted, what, fix)
        return (self._commit(version) for version in range(after + 1, upto + 1))

    def instant_of(self, version: int) -> datetime:
        """When a version was committed."""
        told = next((action["commitInfo"] for action in self._actions(version) if "commitInfo" in action), {})
        milliseconds = told.get("inCommitTimestamp", told.get("timestamp"))
        if milliseconds is None:
            return self._commits[version].mtime or datetime.fromtimestamp(0, UTC)
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)

    @cached_property
    def _listing(self) -> list[pafs.FileInfo]:
        with self.place.reading():
            return self.place.files.get_file_info(pafs.FileSelector("_delta_log", allow_not_found=True))

    @cached_property
    def _commits(self) -> Mapping[int, pafs.FileInfo]:
        found = ((_COMMIT.fullmatch(info.base_name), info) for info in self._listing)
        return {int(match[1]): info for match, info in found if match}

    @cached_property
    def _checkpoints(self) -> frozenset[int]:
        found = (_CHECKPOINT.fullmatch(info.base_name) for info in self._listing)
        return frozenset(int(match[1]) for match in found if match)

    def _not_much_later(self, instant: datetime) -> list[int]:
        """The versions, without those that follow one which is later than an instant by more than clocks differ.

        A backfill would read the whole log once for each window otherwise.
        """
        versions = sorted(self._commits)
        much_later = instant + _CLOCKS_DIFFER
        found = bisect_left(versions, True, key=lambda version: self.instant_of(version) >= much_later)
        return versions[: found + 1]

    def _commit(self, version: int) -> Commit:
        added: list[LoggedFile] = []
        removed: list[LoggedFile] = []
        changes: list[LoggedFile] = []
        configuration: Mapping[str, str] | None = None
        for action in self._actions(version):
            for kind, found in (("add", added), ("remove", removed), ("cdc", changes)):
                if kind in action and (kind == "cdc" or action[kind].get("dataChange", True)):
                    found.append(_logged(action[kind]))
            if "metaData" in action:
                configuration = action["metaData"].get("configuration") or {}
        return Commit(version, _ordered(added), _ordered(removed), _ordered(changes), configuration)

    def _actions(self, version: int) -> Iterator[dict[str, Any]]:
        with self.place.reading(), self.place.files.open_input_stream(f"_delta_log/{version:020}.json") as stream:
            yield from (json.loads(line) for line in io.BufferedReader(stream) if line.strip())

    def _expired(self, what: str) -> SourceMissing:
        fix = "Keep the log longer (delta.logRetentionDuration); let `start:` of the source lie where it begins."
        return SourceMissing(self.place.attempted, what, fix)


def _ordered(files: list[LoggedFile]) -> tuple[LoggedFile, ...]:
    return tuple(sorted(files, key=lambda file: file.path))


def _logged(action: Mapping[str, Any]) -> LoggedFile:
    values = action.get("partitionValues") or {}
    return LoggedFile(
        relative_path(action["path"]), values, action.get("size") or 0, action.get("deletionVector") is not None
    )


def relative_path(logged: str) -> str:
    """A file's path below the table, as its store has it: the log writes it as a URL."""
    return unquote(logged)
