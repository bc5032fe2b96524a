"""What a destination declares of its pace reaches the delivery of a Dagster run; defaults are the usual ones."""

import errno
from dataclasses import dataclass, field, replace

import dagster as dg
import polars as pl
import pytest
from dagster_home import DagsterHome
from disk_calls import DiskCalls, is_folder
from line_fakes import Given, TinyHome
from pydantic import PrivateAttr, ValidationError

from ctexport_dagster.core.delivery.request import USUAL_PACE
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_destination import DeclaredDestination, Retries
from ctexport_dagster.resources.local import LocalDestination, LocalDisk
from ctexport_dagster.resources.registry import RESOURCE_KINDS

DAY = "2026-11-18"
DESTINATIONS = [name for name, kind in RESOURCE_KINDS.items() if kind.role == "destination"]


@dataclass(frozen=True)
class DyingDisk(DiskCalls):
    """A disk that can't make a file durable; counts how often that was tried."""

    tried: list[int] = field(default_factory=list)

    def fsync(self, fd: int) -> None:
        if not is_folder(fd):
            self.tried.append(fd)
            raise OSError(errno.EIO, "")


class DyingDestination(LocalDestination):
    _disk: DyingDisk = PrivateAttr(default_factory=DyingDisk)

    def open(self, surroundings: Surroundings) -> LocalDisk:
        return replace(super().open(surroundings), calls=self._disk)


@pytest.mark.req("A12")
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_file_is_tried_as_often_as_its_destination_declares(tiny_home: TinyHome, attempts: int) -> None:
    retries = Retries(attempts=attempts, first_wait_seconds=0, longest_wait_seconds=0)
    disk = DyingDestination(type="local", name="disk", folder="exports", retries=retries, parallel_uploads=1)
    tiny_home.tell(DAY, Given({"clevertapId": pl.String()}, ({"clevertapId": "a"},)))
    with dg.DagsterInstance.ephemeral() as instance:
        home = DagsterHome(tiny_home, [tiny_home.line("daily", destination="disk")], disk, instance)
        assert not home.everything(DAY).success
    assert len(disk._disk.tried) == attempts


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_kind_of_destination_declares_its_pace_and_has_the_usual_one(kind: str) -> None:
    declared = RESOURCE_KINDS[kind].load()
    assert issubclass(declared, DeclaredDestination)
    fields = declared.model_fields
    assert (fields["parallel_uploads"].default, fields["retries"].default.policy) == (
        USUAL_PACE.parallel,
        USUAL_PACE.retries,
    )


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"first_wait_seconds": -1}, "greater than or equal to 0"),
        ({"first_wait_seconds": 20, "longest_wait_seconds": 10}, "first_wait_seconds is longer"),
        ({"attempt": 3}, "Extra inputs"),
    ],
)
def test_retries_that_make_no_sense_are_refused(declared: dict[str, float], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Retries.model_validate(declared)
