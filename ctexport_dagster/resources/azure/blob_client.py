"""Uploads to Azure Blob Storage with Azure's own client; imported on use alone, for it brings the SDK in.

One Put Blob a file, of whatever size: a blob appears whole, and nothing is left of an upload that died. The MD5 goes
ahead of the bytes, so Azure refuses what was damaged. `upload_blob` reads a file that goes in one request into memory,
100 MB for each upload under way; so it is given an empty one, and its request the file's stream.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.core.rest import HttpRequest
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, StandardBlobTier
from dagster_azure.blob import (
    AzureBlobStorageDefaultCredential,
    AzureBlobStorageKeyCredential,
    AzureBlobStorageResource,
    AzureBlobStorageSASTokenCredential,
)

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.failure import STAGED_FILE_CHANGED, Failure
from ctexport_dagster.resources.azure.access import Access
from ctexport_dagster.resources.azure.blob import AzureBlobDestination
from ctexport_dagster.resources.azure.declared import ClientOptions
from ctexport_dagster.resources.azure.errors import code_of, failure_of, hush_signatures
from ctexport_dagster.resources.azure.failures import AZURE, DAMAGED, EXISTS
from ctexport_dagster.resources.azure.reading import blocks
from ctexport_dagster.resources.azure.span import Span


class WritingBlobStorage(AzureBlobStorageResource):
    """dagster-azure's resource with a repr that hides the secret, and options for its client."""

    def __repr__(self) -> str:
        return f"WritingBlobStorage(account_url={self.account_url!r})"

    __str__ = __repr__

    def new_client(self, options: ClientOptions) -> BlobServiceClient:
        """A client to keep."""
        return BlobServiceClient(self.account_url, credential=self._raw_credential(), **options)


@dataclass(frozen=True)
class BlobWriter:
    """One client of one container, shared by all uploads to a destination."""

    container: ContainerClient
    declared: AzureBlobDestination
    _damaged: set[str] = field(default_factory=set, init=False)
    """Names under which this process left something else than it sent: the next try replaces it."""

    @classmethod
    def connect(cls, declared: AzureBlobDestination, access: Access) -> "BlobWriter":
        """Makes the client; no request."""
        hush_signatures()
        resource = WritingBlobStorage(account_url=access.endpoint, credential=_credential(access))
        client = resource.new_client(declared.client_options)
        return cls(client.get_container_client(declared.container), declared)

    def put(self, name: str, upload: Upload) -> PutOutcome | Failure:
        whole = Span.whole(upload.path)
        if whole.length != upload.bytes:
            return STAGED_FILE_CHANGED
        md5 = whole.md5()
        replaces = upload.overwrites or name in self._damaged
        try:
            told = self._send(self.container.get_blob_client(name), whole, md5, replaces=replaces)
        except AzureError as error:
            if not replaces and upload.may_lie_there and code_of(error) in EXISTS:
                return "already_there"
            return failure_of(error)
        if told not in (None, md5):
            self._damaged.add(name)
            return AZURE.classify(code=DAMAGED)
        self._damaged.discard(name)
        return "written"

    def discard_unfinished(self, name: str, attempt: str) -> None:
        """Nothing to do: an upload that died left nothing."""

    def read(self, name: str) -> Iterator[bytes | Failure]:
        return blocks(name, lambda: self.container.download_blob(name))

    def _send(self, blob: BlobClient, whole: Span, md5: bytes, *, replaces: bool) -> bytes | None:
        """The MD5 in the answer."""
        tier = self.declared.access_tier
        with whole.opened() as body:

            def with_body(request: PipelineRequest[HttpRequest]) -> None:
                request.http_request.headers["Content-Length"] = str(whole.length)
                request.http_request.headers["Content-MD5"] = base64.b64encode(md5).decode()
                if whole.length:
                    request.http_request.set_streamed_data_body(body)

            answer = blob.upload_blob(
                b"",
                overwrite=replaces,
                standard_blob_tier=StandardBlobTier(tier) if tier else None,
                encryption_scope=self.declared.encryption_scope,
                raw_request_hook=with_body,
            )
        return bytes(answer["content_md5"]) if answer.get("content_md5") else None


def _credential(
    access: Access,
) -> AzureBlobStorageSASTokenCredential | AzureBlobStorageKeyCredential | AzureBlobStorageDefaultCredential:
    if access.sas:
        return AzureBlobStorageSASTokenCredential(token=access.sas)
    if access.key:
        return AzureBlobStorageKeyCredential(key=access.key)
    return AzureBlobStorageDefaultCredential()
