"""How far back a one-time export of events may reach: as the home says, unless its destination says otherwise."""

from pathlib import Path

import pytest

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.home import Home, load_home

EXPORT = """\
kind: events
owner: a@example.com
source: demo
destination: disk
account_id: 1
format: json
schedule: {every: once, start: 2026-11-19, range: {from: 2026-11-01, to: 2026-11-18}}
"""


def load(root: Path, *, home_days: int | None, destination_days: int | None) -> Home:
    for folder in ("assets", "resources"):
        (root / folder).mkdir()
    bound = f"look_back_days: {destination_days}\n" if destination_days else ""
    (root / "resources/disk.yaml").write_text(f"type: local\nfolder: exports\n{bound}")
    (root / "resources/demo.yaml").write_text("type: demo\nprofiles: 10\nstart: 2026-11-01\n")
    (root / "settings.yaml").write_text(f"look_back_days: {home_days}\n" if home_days else "{}\n")
    (root / "assets/once.yaml").write_text(EXPORT)
    return load_home({"CTEXPORT_HOME": str(root)}, root)


@pytest.mark.req("L3", "G3")
@pytest.mark.parametrize(("home_days", "destination_days"), [(None, None), (18, None), (5, 18), (None, 18)])
def test_a_range_within_the_bound_of_its_destination_loads(
    tmp_path: Path, home_days: int | None, destination_days: int | None
) -> None:
    assert load(tmp_path, home_days=home_days, destination_days=destination_days).exports


@pytest.mark.req("L3", "G3")
@pytest.mark.parametrize(
    ("home_days", "destination_days", "bound"),
    [
        (17, None, "17 days before start (look_back_days of settings.yaml)"),
        (None, 17, "17 days before start (look_back_days of resources/disk.yaml)"),
        (18, 5, "5 days before start (look_back_days of resources/disk.yaml)"),
    ],
)
def test_a_range_beyond_it_is_a_mistake_that_says_whose_bound_it_is(
    tmp_path: Path, home_days: int | None, destination_days: int | None, bound: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, home_days=home_days, destination_days=destination_days)
    assert [str(mistake) for mistake in refused.value.mistakes] == [
        f"assets/once.yaml:7: schedule.range: begins on 2026-11-01, more than {bound}"
    ]
