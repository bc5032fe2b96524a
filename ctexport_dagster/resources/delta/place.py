"""Where a table lies: a folder of this machine, or a bucket, whose files are fetched one at a time."""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.resources.storage import is_url

_COPY_BYTES = 4_000_000
_STATUS = re.compile(r"\b(?:status|code)\D{0,12}([45]\d\d)\b|\b([45]\d\d) (?:Forbidden|Not Found)", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """One table as it is declared. Its store's options (store_options.py) hold secrets, and stand in no repr."""

    name: str
    """As declared, for messages."""
    home: Path
    attempted: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    begins_anew_as: str | None = None
    """What to declare the table as where no partition can be read without the one before; None where each can."""

    def opened(self, version: int | None = None) -> DeltaTable:
        """The table, at its newest version or another.

        Raises:
            SourceMissing: there is no table.
            SourceUnreadable: it can't be reached, or its log can't be read.
        """
        try:
            return DeltaTable(self.uri, version=version, storage_options=dict(self.options))
        except TableNotFoundError:
            fix = "Mend `table:`, or write the table first."
            raise SourceMissing(self.attempted, f"there is no Delta table at {self.name}", fix) from None
        except (DeltaError, OSError, ValueError) as problem:
            raise self._unreadable(problem) from None

    @cached_property
    def files(self) -> pafs.FileSystem:
        """The files below the table's folder."""
        if self._folder is not None:
            return pafs.SubTreeFileSystem(str(self._folder), pafs.LocalFileSystem())
        with self.reading():
            return pafs.PyFileSystem(DeltaStorageHandler(self.uri, dict(self.options)))

    @contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """One data file on this machine's disk, for as long as it is read.

        Raises:
            SourceMissing: it has been removed since.
        """
        try:
            if self._folder is not None:
                with (self._folder / path).open("rb"):
                    yield self._folder / path
                return
            with TemporaryDirectory(prefix="ctexport-delta-") as folder:
                yield self._fetched(path, Path(folder))
        except FileNotFoundError:
            what = f"a file of that version is no longer there ({Path(path).name}): it has been vacuumed"
            otherwise = "run the partitions after it"
            if self.begins_anew_as is not None:
                otherwise = f"declare the table as {self.begins_anew_as}, which begins with everything so far"
            fix = f"Restore the table's files, or {otherwise}; keep them longer than a re-run may come."
            raise SourceMissing(self.attempted, what, fix) from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around what asks the store; tells what went wrong without its own words, which may hold secrets."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (DeltaError, OSError, ValueError) as problem:
            raise self._unreadable(problem) from None

    @property
    def uri(self) -> str:
        return self.name if self._folder is None else str(self._folder)

    @property
    def _folder(self) -> Path | None:
        return None if is_url(self.name) else self.home / self.name

    def _fetched(self, path: str, folder: Path) -> Path:
        with self.reading(), self.files.open_input_file(path) as remote, (folder / "data.parquet").open("wb") as local:
            shutil.copyfileobj(remote, local, _COPY_BYTES)
        return folder / "data.parquet"

    def _unreadable(self, problem: Exception) -> SourceUnreadable:
        status = _STATUS.search(str(problem))
        answer = f", status {status[1] or status[2]}" if status else ""
        what = f"the table {self.name} can't be read ({type(problem).__name__}{answer})"
        fix = "Check that it is there, and that `storage:` names credentials that may read it; then run it again."
        return SourceUnreadable(self.attempted, what, fix)
