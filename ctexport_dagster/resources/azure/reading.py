"""Reads a file back from either kind of container, block by block, for `ctexport verify` alone."""

from collections.abc import Callable, Iterator
from typing import Protocol

from azure.core.exceptions import AzureError

from ctexport_dagster.core.failure import Failure, reading_denied
from ctexport_dagster.resources.azure.errors import code_of, failure_of

_DENIED = "AuthorizationPermissionMismatch"
_RIGHT = "read as well (a SAS token with r in its sp, or a role that may read blobs)"
_NO_FILE = frozenset({"BlobNotFound", "PathNotFound"})


class Download(Protocol):
    """A download of Azure's, begun."""

    def chunks(self) -> Iterator[bytes]: ...


def blocks(name: str, download: Callable[[], Download]) -> Iterator[bytes | Failure]:
    """A file's bytes; a failure is the last.

    Raises:
        FileNotFoundError: nothing lies there.
    """
    failure, is_missing = None, False
    try:
        yield from download().chunks()
    except AzureError as error:
        code = code_of(error)
        is_missing = code in _NO_FILE
        failure = reading_denied(f"403 {code}", _RIGHT) if code == _DENIED else failure_of(error)
    if is_missing:
        raise FileNotFoundError(name)
    if failure:
        yield failure
