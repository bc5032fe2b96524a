"""What a failed delivery means: whose it is to mend, whether waiting helps, and what to do.

    customer     credentials, rights, a missing bucket or folder, a full disk: the owner is told, repeating is useless
    transient    the network or the service stumbled: the same call may succeed in a while
    ours         anything we don't know, or did wrong: fails loudly, and is never held against the owner

Each kind of destination brings a `FailureTable` as data: its error codes first, HTTP statuses second.
Source: REQUIREMENTS P37, S10, A12 and ARCHITECTURE, rule 7.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FailureClass = Literal["customer", "transient", "ours"]


@dataclass(frozen=True)
class Verdict:
    """What one code or status means: whose it is, what happened, the likely cause, and the fix, as sentences.

    They go into mails and logs: they name no file, key or secret, and don't end in a full stop.
    """

    whose: FailureClass
    happened: str
    cause: str
    fix: str


@dataclass(frozen=True)
class Failure:
    """One classified failure; `code` is the error's own name or number, as its service gives it."""

    whose: FailureClass
    code: str
    happened: str
    cause: str
    fix: str
    retry_after_seconds: float | None = None
    """How long the service asked us to wait; None where it didn't."""

    @property
    def is_transient(self) -> bool:
        return self.whose == "transient"

    def __str__(self) -> str:
        return f"{self.happened} ({self.code}): {self.cause}. {self.fix}."


UNKNOWN = Verdict(
    "ours",
    "an error that ctexport doesn't know",
    "a case that we have not met, or a fault of ours",
    "Run it again; if it stays, report it with the code shown here",
)
UNREACHABLE = Verdict(
    "transient",
    "the connection broke or could not be made",
    "the network, a proxy, or the destination's service is down",
    "It is tried again by itself; if it stays, check the endpoint's name and the network",
)
STUMBLED = Verdict(
    "transient",
    "the service could not answer just now",
    "it is overloaded or being restarted",
    "It is tried again by itself; nothing to do",
)
SLOW_DOWN = Verdict(
    "transient",
    "the service asked us to slow down",
    "too many requests at once",
    "It is tried again by itself; if it stays, lower the number of parallel uploads",
)

HTTP_STATUSES: Mapping[int, Verdict] = {
    401: Verdict(
        "customer",
        "the credentials were refused",
        "they are wrong, expired, or were revoked",
        "Create new credentials and put them where the destination's file points",
    ),
    403: Verdict(
        "customer",
        "access was denied",
        "the credentials are wrong or expired, or the policy that let us write was changed or removed",
        "Check the credentials and apply the policy that `ctexport policy` prints",
    ),
    404: Verdict(
        "customer",
        "the bucket or container does not exist",
        "its name is misspelt, or it was deleted",
        "Compare the name in the destination's file with the real one, letter by letter",
    ),
    408: UNREACHABLE,
    425: STUMBLED,
    429: SLOW_DOWN,
    500: STUMBLED,
    502: STUMBLED,
    503: STUMBLED,
    504: STUMBLED,
}
"""What a status means where the error's code says nothing more precise."""


@dataclass(frozen=True)
class FailureTable:
    """The known failures of one kind of destination."""

    codes: Mapping[str, Verdict]
    statuses: Mapping[int, Verdict]

    def classify(
        self, *, code: str | None = None, status: int | None = None, retry_after_seconds: float | None = None
    ) -> Failure:
        """The failure that a code and a status mean: the code decides, else the status, else it is ours."""
        verdict = self.codes.get(code or "") or self.statuses.get(status or 0) or UNKNOWN
        shown = " ".join(str(part) for part in (status, code) if part is not None) or "no code"
        return Failure(verdict.whose, shown, verdict.happened, verdict.cause, verdict.fix, retry_after_seconds)


def reading_denied(code: str, right: str) -> Failure:
    """That a delivery may not be read back, which delivering never needs; `right` says what to grant."""
    return Failure(
        whose="customer",
        code=code,
        happened="reading is not allowed there",
        cause="delivering takes no right to read, so none was granted",
        fix=f"Grant {right} if ctexport is to read deliveries back",
    )


STAGED_FILE_CHANGED = Failure(
    whose="ours",
    code="staging",
    happened="the staged file changed before it was sent, or meanwhile",
    cause="something else writes into the staging folder",
    fix="Materialize formatted_chunks of this partition again, then deliver",
)

_NO_RIGHTS = Verdict(
    "customer",
    "writing is not allowed there",
    "the user that runs ctexport has no right to write into the folder, or it was taken away",
    "Give that user the rights to enter the folder and to write into it",
)
_READ_ONLY = Verdict(
    "customer",
    "the disk is read-only",
    "it is mounted without write access, or the system made it so after a fault",
    "Mount it with write access",
)
_FULL = Verdict(
    "customer",
    "there is no room left",
    "the disk is full, or the user's quota is used up",
    "Make room or raise the quota, then run the partition again: it goes on where it stopped",
)
_TOO_LARGE = Verdict(
    "customer",
    "the file is larger than is allowed there",
    "the disk's format or the user's limits forbid files of this size",
    "Lower files.chunk_size or raise the limit",
)
_NO_FOLDER = Verdict(
    "customer",
    "the folder does not exist",
    "its path is misspelt, or the disk that holds it is not mounted",
    "Create the folder or mount the disk, and compare its path with the destination's file",
)
_NO_REAL_FOLDER = Verdict(
    "customer",
    "something other than a folder stands in the way",
    "a file or a symbolic link has the name of a folder that the key needs",
    "Move it away; ctexport follows no links below the destination's folder",
)
_FOLDER_IN_THE_WAY = Verdict(
    "customer",
    "a folder stands where the file should be",
    "something else uses the file's name",
    "Move that folder away, or choose another name under files",
)
_NAME_TOO_LONG = Verdict(
    "customer",
    "the name is too long for the disk",
    "most disks allow 255 bytes for one name",
    "Shorten the name under files",
)
_DISK_STUMBLED = Verdict(
    "transient",
    "the disk did not answer properly",
    "a fault of the disk, or of the network that it hangs on",
    "It is tried again by itself; if it stays, check the disk",
)

LOCAL_DISK = FailureTable(
    codes={
        "EACCES": _NO_RIGHTS,
        "EPERM": _NO_RIGHTS,
        "EROFS": _READ_ONLY,
        "ENOSPC": _FULL,
        "EDQUOT": _FULL,
        "EFBIG": _TOO_LARGE,
        "ENOENT": _NO_FOLDER,
        "ENOTDIR": _NO_REAL_FOLDER,
        "ELOOP": _NO_REAL_FOLDER,
        "EISDIR": _FOLDER_IN_THE_WAY,
        "ENOTEMPTY": _FOLDER_IN_THE_WAY,
        "EEXIST": _FOLDER_IN_THE_WAY,
        "ENAMETOOLONG": _NAME_TOO_LONG,
        "EIO": _DISK_STUMBLED,
        "ESTALE": _DISK_STUMBLED,
        "EAGAIN": _DISK_STUMBLED,
        "EINTR": _DISK_STUMBLED,
        "EBUSY": _DISK_STUMBLED,
        "ETIMEDOUT": UNREACHABLE,
        "ECONNRESET": UNREACHABLE,
        "EHOSTDOWN": UNREACHABLE,
        "EHOSTUNREACH": UNREACHABLE,
    },
    statuses={},
)
"""A full disk is the customer's: waiting minutes doesn't empty it, and somebody who owns the disk has to be told."""


def local_failure(error: OSError) -> Failure:
    """What an error of the local disk means; its text is left out, for it holds paths."""
    return LOCAL_DISK.classify(code=errno.errorcode.get(error.errno or 0, type(error).__name__))
