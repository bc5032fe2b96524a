"""Which rows a span of commits brought: by the change data feed where a table keeps one, else by files that came.

A commit that rewrote files without a feed mixes new rows with old ones; then nobody can tell, and it is said so.
Source: the Delta protocol, Change Data Files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.delta.log import BEFORE_ALL, Commit, DeltaLog
from ctexport_dagster.resources.delta.table import DataFile, TableVersion

INSERTED = ("insert",)
INSERTED_OR_UPDATED = ("insert", "update_postimage")
_FEED = "delta.enableChangeDataFeed"


def changed_files(
    log: DeltaLog, table: TableVersion, after: int, change_types: Sequence[str], *, with_deletions: bool
) -> list[DataFile]:
    """The files with the rows that came after a version, up to that of `table`, in the order of their commits.

    Within a commit, the rows that went stand before those that came: of two rows of one profile the later one counts.

    Raises:
        SourceUnreadable: a commit has been cleaned up, or rewrote rows and no feed tells which.
    """
    commits = list(log.commits(after, table.version))
    settings = _settings_before(commits, table, after)
    files: list[DataFile] = []
    for commit in commits:
        settings = settings if commit.configuration is None else commit.configuration
        is_fed = settings.get(_FEED, "false").lower() == "true"
        _refuse_rewritten(commit, table, is_fed=is_fed)
        if with_deletions:
            files += _gone(commit, table)
        files += _come(commit, table, tuple(change_types))
    return files


def _settings_before(commits: Sequence[Commit], table: TableVersion, after: int) -> Mapping[str, str]:
    if all(commit.configuration is None for commit in commits):
        return table.configuration
    return {} if after == BEFORE_ALL else table.place.opened(after).metadata().configuration


def _gone(commit: Commit, table: TableVersion) -> Iterator[DataFile]:
    of_feed = (replace(table.logged(file), change_types=("delete",), is_deletion=True) for file in commit.changes)
    whole_files = (replace(table.logged(file), is_deletion=True) for file in commit.removed)
    return of_feed if commit.changes else whole_files


def _come(commit: Commit, table: TableVersion, change_types: tuple[str, ...]) -> Iterator[DataFile]:
    if commit.changes:
        return (replace(table.logged(file), change_types=change_types) for file in commit.changes)
    return (table.logged(file) for file in commit.added)


def _refuse_rewritten(commit: Commit, table: TableVersion, *, is_fed: bool) -> None:
    if commit.changes:
        return
    if commit.removed and not is_fed:
        what = f"version {commit.version} of {table.place.name} changed or removed rows, and no change feed tells them"
        fix = "Set delta.enableChangeDataFeed on it for what comes, or read it as a snapshot, by predicate or cursor."
        raise SourceUnreadable(table.place.attempted, what, fix)
    if any(file.has_deletions for file in (*commit.added, *commit.removed)):
        what = f"version {commit.version} of {table.place.name} marked rows as deleted in deletion vectors alone"
        fix = "Read it as a snapshot, by predicate or cursor, or turn delta.enableDeletionVectors off."
        raise SourceUnreadable(table.place.attempted, what, fix)
