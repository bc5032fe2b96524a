"""What a store's refusals to be listed or read mean, by its own codes first and HTTP statuses second, as data.

Texts of the store are read for those two and never passed on: they hold addresses of requests, with signatures.
"""

import re
from collections.abc import Mapping
from typing import Literal

from ctexport_dagster.core.failure import STUMBLED, UNREACHABLE, Failure, FailureTable, Verdict
from ctexport_dagster.resources.storage import Cloud

Doing = Literal["Listing", "Reading"]

NO_CREDENTIALS = "NoCredentials"
_NETWORK = "ConnectionBroken"
_GONE = "NoSuchKey"
_RIGHTS: Mapping[Cloud, str] = {
    "s3": "s3:ListBucket on the bucket and s3:GetObject on its objects",
    "gcs": "roles/storage.objectViewer on the bucket",
    "azure": "a SAS token with read and list (sp=rl), or the role Storage Blob Data Reader",
}
_NO_BUCKET = Verdict(
    "customer",
    "the bucket or container does not exist",
    "its name in the path is misspelt, or it was deleted",
    "Compare the name in the source's file with the real one, letter by letter",
)
_NO_FILE = Verdict(
    "customer",
    "the file is gone",
    "it was deleted or moved after it was listed",
    "Run the partition again",
)
_CREDENTIALS = Verdict(
    "customer",
    "the credentials were refused",
    "they are wrong, expired, or were revoked",
    "Create new ones, and put them where `storage:` of the source's file points",
)
_MISSING = Verdict(
    "customer",
    "no credentials were found",
    "`storage:` of the source's file names none, and this machine has none of its own",
    "Add them to `storage:`, as {env: NAME}, or give the machine a role",
)
_REGION = Verdict(
    "customer",
    "the bucket is in another region",
    "`region` under `storage:` is not the bucket's",
    "Look the bucket's region up and mend it",
)


def _denied(cloud: Cloud) -> Verdict:
    return Verdict(
        "customer",
        "access was denied",
        "the credentials may not list or read there",
        f"Grant {_RIGHTS[cloud]}",
    )


def _table(cloud: Cloud) -> FailureTable:
    missing = "NoSuchBucket ContainerNotFound ResourceNotFound FilesystemNotFound InvalidBucketName"
    refused = "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken AuthenticationFailed RefreshError"
    return FailureTable(
        codes={
            **dict.fromkeys(missing.split(), _NO_BUCKET),
            **dict.fromkeys(refused.split(), _CREDENTIALS),
            **dict.fromkeys(("BlobNotFound", "PathNotFound", _GONE), _NO_FILE),
            "PermanentRedirect": _REGION,
            "AuthorizationHeaderMalformed": _REGION,
            NO_CREDENTIALS: _MISSING,
            _NETWORK: UNREACHABLE,
        },
        statuses={
            301: _REGION,
            401: _CREDENTIALS,
            403: _denied(cloud),
            404: _NO_BUCKET,
            429: STUMBLED,
            **dict.fromkeys((500, 502, 503, 504), STUMBLED),
        },
    )


_TABLES: Mapping[Cloud, FailureTable] = {"s3": _table("s3"), "gcs": _table("gcs"), "azure": _table("azure")}
_OWN_KINDS: Mapping[str, str] = {"RefreshError": "RefreshError", "TransportError": _NETWORK}
"""Of the clouds' own Python libraries, which look for credentials."""


def bucket_failure(problem: Exception, cloud: Cloud, doing: Doing) -> Failure:
    """What an error of the store means."""
    kind, text = type(problem).__name__, str(problem)
    if kind == NO_CREDENTIALS:
        return _TABLES[cloud].classify(code=NO_CREDENTIALS)
    status = re.search(r"status code: (\d{3})", text)
    code = re.search(r"<Code>(\w{1,60})</Code>", text)
    if status is None:
        return _TABLES[cloud].classify(code=_unanswered(kind, text))
    told = int(status[1])
    is_file = doing == "Reading" and told == 404 and (code is None or code[1] == _GONE)
    return _TABLES[cloud].classify(code=_GONE if is_file else code[1] if code else None, status=told)


def _unanswered(kind: str, text: str) -> str:
    """Of an error without an answer: what a library told of itself, or that the network broke."""
    known = next((code for name, code in _OWN_KINDS.items() if name in text or name == kind), None)
    if known:
        return known
    return (
        _NETWORK if re.search(r"HTTP error|error sending request|timed out|connection", text, re.IGNORECASE) else kind
    )
