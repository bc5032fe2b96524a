"""Every error that ctexport raises on purpose.

    ExportError                     what was attempted, what happened, what to do next
    ├── ConfigurationError          the declared files are wrong: a list of Mistakes (exit code 2)
    ├── SourceError                 a source can't give its partition
    │   ├── SourceMissing           no file where the partition's path points
    │   ├── SourceUnreadable        the input as a whole can't be read
    │   ├── SourceShrunk            a snapshot lost more profiles than `max_deleted` allows
    │   └── TooManyQuarantined      more rows refused than `max_quarantined` allows
    ├── LakeError                   the state can't answer
    │   ├── PartitionMissing        a partition that must come first is not in the lake
    │   ├── PartitionStale          a partition must be written anew before it is read
    │   └── ConcurrentWrite         somebody else wrote the same partition meanwhile
    ├── StagingMissing              the stage before this one has not run
    ├── NamingError                 two files would get one key
    ├── Busy                        another run of the same export is at work
    ├── DeliveryError               a file could not be delivered (class and cause: core/failure.py)
    └── DeliveryUnreadable          a delivery can't be read back as its manifests promise

No message, field or repr of these may carry a row, a profile value or a secret: counts, names and keys only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctexport_dagster.core.failure import Failure


class ExportError(Exception):
    """Says what was attempted, what happened and what to do next, in one sentence each."""

    def __init__(self, attempted: str, happened: str, next_step: str) -> None:
        self.attempted = attempted
        self.happened = happened
        self.next_step = next_step
        super().__init__(f"{attempted}: {happened}. {next_step}")

    def __reduce__(self) -> tuple[Callable[..., "ExportError"], tuple[type["ExportError"], dict[str, object]]]:
        """An error raised on another machine keeps its type and fields on the way back."""
        return _rebuilt, (type(self), {**self.__dict__, "args": self.args})


def _rebuilt(kind: type[ExportError], fields: dict[str, object]) -> ExportError:
    error = kind.__new__(kind)
    error.__dict__.update({name: value for name, value in fields.items() if name != "args"})
    error.args = tuple(fields["args"])  # pyright: ignore[reportArgumentType]
    return error


@dataclass(frozen=True)
class Mistake:
    """One mistake in one declared file; `line` is 1-based, 0 when the file as a whole is meant."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ConfigurationError(ExportError):
    """The declared files can't be used; `mistakes` holds all of them, in file and line order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("Reading the declared files", str(self), "Mend what is declared, then run `ctexport check`.")

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


class SourceError(ExportError):
    """A source can't give the rows of a partition."""


class SourceMissing(SourceError):
    """No input lies where the partition's path points; the message names every path that was looked for."""


class SourceUnreadable(SourceError):
    """An input as a whole can't be read (not a bad row: those go to quarantine)."""


class SourceShrunk(SourceError):
    """A snapshot would delete a larger share of the profiles than `max_deleted` allows."""


class TooManyQuarantined(SourceError):
    """More rows were refused than `max_quarantined` allows."""


class LakeError(ExportError):
    """The lake can't answer or take what was asked."""


class PartitionMissing(LakeError):
    """A partition that must come first is not in the lake; the message says what to run."""


class PartitionStale(LakeError):
    """A partition rests on an older version of the one before it; the message says what to run."""


class ConcurrentWrite(LakeError):
    """Another process wrote the same partition while this one did; nothing of ours was kept."""


class StagingMissing(ExportError):
    """The asset before this one holds nothing for the partition."""


class NamingError(ExportError):
    """Two files of one run, or of two partitions, would get the same key."""


class Busy(ExportError):
    """Another run of the same export or source is at work on this home."""


class DeliveryError(ExportError):
    """A file or manifest could not be delivered; the run can simply be repeated. `failure` says whose it is to mend."""

    def __init__(self, attempted: str, failure: Failure) -> None:
        self.failure = failure
        super().__init__(attempted, f"{failure.happened} ({failure.code}): {failure.cause}", f"{failure.fix}.")


class DeliveryUnreadable(ExportError):
    """A delivery can't be read back as its manifests promise."""
