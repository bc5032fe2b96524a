"""Files in buckets: listed with what their store tells of them, and downloaded one at a time to be read.

The readers take paths, so a file lies in a temporary folder for as long as it is read: one at a time, gone afterwards.
What its store says of its content (the ETag) tells whether it changed; so nothing is downloaded to find that out.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.files.bucket_failures import Doing, bucket_failure
from ctexport_dagster.resources.files.bytes import BLOCK_BYTES, unreadable
from ctexport_dagster.resources.files.found import Found, rows_by_size
from ctexport_dagster.resources.files.templates import FileFormat, key_expression, with_partition, without_wildcards
from ctexport_dagster.resources.storage import BucketUrl, Storage, bucket_url

if TYPE_CHECKING:
    from obstore import ObjectMeta

    from ctexport_dagster.resources.files.bucket_stores import Store

T = TypeVar("T")
_LISTED_AT_ONCE = 1_000


@dataclass(frozen=True)
class BucketFile:
    """One object as it was listed."""

    name: str
    key: str
    bytes: int
    tag: str
    """The ETag, else its time."""
    bucket: "Bucket" = field(repr=False, compare=False)

    @property
    def changed(self) -> None:
        """Stores tell times by the second, in which a file may change again."""

    @property
    def touched(self) -> None:
        """As `changed`."""

    def content(self) -> str:
        return self.tag

    def begins_with(self, content: str, size: int) -> bool:
        """Never: an object is there as a whole or not at all, so that another one took its place."""
        return False

    @contextmanager
    def here(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="ctexport-bucket-") as folder:
            path = Path(folder, PurePosixPath(self.key).name)
            self.bucket.download(self, path)
            try:
                yield path
            except SourceUnreadable as error:
                attempted = error.attempted.replace(str(path), self.name)
                raise SourceUnreadable(attempted, error.happened, error.next_step) from None

    def row_estimate(self, kind: FileFormat, row_bytes: int) -> int:
        return rows_by_size(self.name, self.bytes, row_bytes)


@dataclass(frozen=True)
class Bucket:
    """The bucket of a template, as a `Place`; `source` is the source's name."""

    url: BucketUrl
    storage: Storage
    surroundings: Surroundings
    source: str

    @staticmethod
    def of(template: str, storage: Storage, surroundings: Surroundings, source: str) -> "Bucket":
        return Bucket(bucket_url(template), storage, surroundings, source)

    def find(self, template: str, partition: str) -> Found:
        """The objects that a template means, in the order of their names.

        Raises:
            SourceUnreadable: they can't be listed.
            ConfigurationError: the extra isn't installed, or the variable of a secret isn't set.
        """
        key = bucket_url(with_partition(template, partition)).key
        folder, expression = without_wildcards(key), key_expression(key)
        matching = self._listed(folder, lambda file: bool(expression.fullmatch(file.key)))
        folders = {str(parent) for file in matching for parent in PurePosixPath(file.key).parents}
        files = sorted((file for file in matching if file.bytes or file.key not in folders), key=lambda file: file.key)
        return Found(f"{self.url.root}{key}", tuple(files))

    def check(self) -> str | None:
        """Why nothing could be listed now, in a sentence.

        Raises:
            ConfigurationError: as `find`.
        """
        folder = without_wildcards(with_partition(self.url.key, "-"))
        try:
            self._tried(
                "Listing", f"{self.url.root}{folder}", lambda: next(iter(self._store.list(prefix=folder)), None)
            )
        except SourceUnreadable as problem:
            return str(problem)
        return None

    def download(self, file: BucketFile, path: Path) -> None:
        """Brings an object here.

        Raises:
            SourceUnreadable: it is gone, has changed since it was listed, or can't be read.
        """
        meta = self._tried("Reading", file.name, lambda: _written(self._store, file.key, path))
        if meta["size"] != file.bytes or _tag(meta) != file.tag:
            raise unreadable(file.name, "it changed after it was listed")

    def _listed(self, folder: str, is_wanted: Callable[[BucketFile], bool]) -> list[BucketFile]:
        def listed() -> list[BucketFile]:
            pages = self._store.list(prefix=folder, chunk_size=_LISTED_AT_ONCE)
            return [file for page in pages for file in map(self._file, page) if is_wanted(file)]

        return self._tried("Listing", f"{self.url.root}{folder}", listed)

    def _file(self, meta: "ObjectMeta") -> BucketFile:
        return BucketFile(f"{self.url.root}{meta['path']}", meta["path"], meta["size"], _tag(meta), self)

    @cached_property
    def _store(self) -> "Store":
        """One for all of the files: making it looks for credentials."""
        with extra(self.url.cloud, self.source):
            from ctexport_dagster.resources.files.bucket_stores import open_store
        return open_store(self.url, self.storage, self.surroundings)

    def _tried(self, doing: Doing, what: str, action: Callable[[], T]) -> T:
        """What goes wrong, without the store's own words: they hold requests' addresses, with their signatures.

        It is raised outside of what handles the store's error, which it would carry along otherwise.
        """
        with extra(self.url.cloud, self.source):
            from ctexport_dagster.resources.files.bucket_stores import STORE_ERRORS
        try:
            return action()
        except STORE_ERRORS as problem:
            failure = bucket_failure(problem, self.url.cloud, doing)
        happened = f"{failure.happened} ({failure.code}): {failure.cause}"
        raise SourceUnreadable(f"{doing} {what}", happened, f"{failure.fix}.")


def _written(store: "Store", key: str, path: Path) -> "ObjectMeta":
    """Writes an object to a path, block by block."""
    answer = store.get(key)
    with path.open("wb") as target:
        for block in answer.stream(min_chunk_size=BLOCK_BYTES):
            target.write(block)
    return answer.meta


def _tag(meta: "ObjectMeta") -> str:
    return (meta["e_tag"] or meta["last_modified"].isoformat()).strip('"')
