"""The log of a Delta table: which version stood when."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from delta_tables import log_file
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.resources.delta.log import DeltaLog
from ctexport_dagster.resources.delta.place import Place

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class CountedLog(DeltaLog):
    """Counts the commits that it reads."""

    read: list[int] = field(default_factory=list)

    def instant_of(self, version: int) -> datetime:
        self.read.append(version)
        return super().instant_of(version)


def logged(home: Path, hours: Sequence[int]) -> CountedLog:
    """A log whose versions were committed so many hours after the beginning."""
    log_file(home / "t", 0).parent.mkdir(parents=True)
    for version, hour in enumerate(hours):
        told = {"commitInfo": {"timestamp": int((BEGIN + hour * HOUR).timestamp() * 1000)}}
        log_file(home / "t", version).write_text(json.dumps(told))
    return CountedLog(Place("t", home, "Reading"))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-12, 12)), min_size=1, max_size=30), st.integers(-40, 300))
def test_a_version_stood_at_an_instant_if_it_and_all_before_were_committed_before(
    commits: list[tuple[int, int]], hour: int
) -> None:
    true_hours = [sum(later for later, _ in commits[: version + 1]) for version in range(len(commits))]
    hours = [true + off for true, (_, off) in zip(true_hours, commits, strict=True)]
    late = (version for version, told in enumerate(hours) if told >= hour)
    with TemporaryDirectory() as home:
        assert logged(Path(home), hours).as_of(BEGIN + hour * HOUR) == next(late, len(hours)) - 1


def test_a_window_long_ago_takes_no_look_at_all_that_came_since(tmp_path: Path) -> None:
    log = logged(tmp_path, range(2000))
    assert log.as_of(BEGIN + 100 * HOUR) == 99
    assert len(log.read) < 100
