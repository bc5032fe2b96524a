"""Uploads to Azure Data Lake Storage Gen2 with Azure's own client; imported on use alone, for it brings the SDK in.

A file there is created empty, appended to, and flushed: under its own name everybody would see an empty file meanwhile,
and for good if we died. So it is written beside its key as `.<name>.<attempt>.part` and renamed once it is whole, which
is one step, replaces an older file only if it is asked to (If-None-Match: *), and takes the right to move, not that to
delete. A temporary file that is of no use any more is emptied: nothing is ever deleted.
"""

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.filedatalake import ContentSettings, DataLakeFileClient, DataLakeServiceClient, FileSystemClient
from dagster_azure.adls2 import ADLS2DefaultAzureCredential, ADLS2Key, ADLS2Resource, ADLS2SASToken

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.failure import STAGED_FILE_CHANGED, Failure
from ctexport_dagster.resources.azure.access import Access
from ctexport_dagster.resources.azure.adls import AdlsDestination
from ctexport_dagster.resources.azure.declared import ClientOptions
from ctexport_dagster.resources.azure.errors import code_of, failure_of, hush_signatures
from ctexport_dagster.resources.azure.failures import AZURE, DAMAGED, EXISTS
from ctexport_dagster.resources.azure.reading import blocks
from ctexport_dagster.resources.azure.span import Span
from ctexport_dagster.resources.keys_as_paths import part_name

_APPEND_BYTES = 64 << 20
_NOTHING_THERE = frozenset({"ConditionNotMet", "PathNotFound", "BlobNotFound"})


class WritingLake(ADLS2Resource):
    """dagster-azure's resource with an endpoint, a repr that hides the secret, and options for its client."""

    endpoint: str

    def __repr__(self) -> str:
        return f"WritingLake(storage_account={self.storage_account!r}, endpoint={self.endpoint!r})"

    __str__ = __repr__

    def new_client(self, options: ClientOptions) -> DataLakeServiceClient:
        """A client to keep."""
        return DataLakeServiceClient(self.endpoint, credential=self._raw_credential, **options)


@dataclass(frozen=True)
class FileWriter:
    """One client of one container, shared by all uploads to a destination."""

    files: FileSystemClient
    container: str

    @classmethod
    def connect(cls, declared: AdlsDestination, access: Access) -> "FileWriter":
        """Makes the client; no request."""
        hush_signatures()
        resource = WritingLake(
            storage_account=declared.storage_account,
            credential=_credential(access),
            endpoint=access.endpoint,
        )
        client = resource.new_client(declared.client_options)
        return cls(client.get_file_system_client(declared.container), declared.container)

    def put(self, name: str, upload: Upload) -> PutOutcome | Failure:
        whole = Span.whole(upload.path)
        if whole.length != upload.bytes:
            return STAGED_FILE_CHANGED
        part = self.files.get_file_client(_beside(name, upload.attempt))
        try:
            if not _write(part, whole):
                return AZURE.classify(code=DAMAGED)
        except AzureError as error:
            return failure_of(error)
        try:
            self._rename(part, name, replaces=upload.overwrites)
        except AzureError as error:
            return self._not_renamed(part, upload, error)
        return "written"

    def discard_unfinished(self, name: str, attempt: str) -> Failure | None:
        part = self.files.get_file_client(_beside(name, attempt))
        try:
            part.create_file(match_condition=MatchConditions.IfPresent)
        except HttpResponseError as error:
            return None if code_of(error) in _NOTHING_THERE else failure_of(error)
        except AzureError as error:
            return failure_of(error)
        return None

    def read(self, name: str) -> Iterator[bytes | Failure]:
        return blocks(name, lambda: self.files.get_file_client(name).download_file())

    def _rename(self, part: DataLakeFileClient, name: str, *, replaces: bool) -> None:
        """The client decodes the name of what it renames, though nothing encoded it: a % would be lost."""
        source = self.files.get_file_client(quote(part.path_name))
        source.rename_file(f"{self.container}/{name}", match_condition=None if replaces else MatchConditions.IfMissing)

    def _not_renamed(self, part: DataLakeFileClient, upload: Upload, error: AzureError) -> PutOutcome | Failure:
        if upload.overwrites or code_of(error) not in EXISTS:
            return failure_of(error)
        with suppress(AzureError):
            part.create_file()
        return "already_there" if upload.may_lie_there else failure_of(error)


def _write(part: DataLakeFileClient, whole: Span) -> bool:
    """Whether every piece arrived as it was sent. What an earlier try left under the name is replaced."""
    part.create_file()
    for piece in whole.pieces(_APPEND_BYTES):
        if not _append(part, piece):
            return False
    part.flush_data(whole.length, content_settings=ContentSettings(content_md5=bytearray(whole.md5())))
    return True


def _append(part: DataLakeFileClient, piece: Span) -> bool:
    md5 = piece.md5()
    with piece.opened() as body:
        answer = part.append_data(
            body, piece.start, piece.length, headers={"Content-MD5": base64.b64encode(md5).decode()}
        )
    told = answer.get("content_md5")
    return not told or bytes(told) == md5


def _beside(name: str, attempt: str) -> str:
    folder, slash, own = name.rpartition("/")
    return f"{folder}{slash}{part_name(own, attempt)}"


def _credential(access: Access) -> ADLS2SASToken | ADLS2Key | ADLS2DefaultAzureCredential:
    if access.sas:
        return ADLS2SASToken(token=access.sas)
    if access.key:
        return ADLS2Key(key=access.key)
    return ADLS2DefaultAzureCredential(kwargs={})
