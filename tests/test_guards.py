"""One-time exports, ranges and guards, as a home's files declare them."""

from pathlib import Path

import pytest

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.home import Home, load_home

EXPORT = "owner: a@example.com\nsource: demo\ndestination: disk\naccount_id: 1\nformat: csv\n"
ONCE = "schedule: {every: once, start: 2026-11-19}\n"


def load(root: Path, settings: str = "{}\n", **exports: str) -> Home:
    for folder in ("assets", "resources"):
        (root / folder).mkdir(exist_ok=True)
    (root / "resources/demo.yaml").write_text("type: demo\nprofiles: 10\nstart: 2026-11-18\nevery: 6h\n")
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    (root / "settings.yaml").write_text(settings)
    for name, declared in exports.items():
        (root / f"assets/{name}.yaml").write_text(EXPORT + f"files: {{name: {name}}}\n" + declared)
    return load_home({"CTEXPORT_HOME": str(root)}, root)


def mistakes(root: Path, settings: str = "{}\n", **exports: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load(root, settings, **exports)
    return [str(mistake) for mistake in refused.value.mistakes]


@pytest.mark.req("P24")
def test_a_one_time_export_has_the_one_partition_of_its_day_whatever_its_sources_cadence(tmp_path: Path) -> None:
    home = load(tmp_path, once=ONCE)
    cadence = home.exports["once"].cadence(home.sources["demo"].cadence)
    assert (cadence.is_daily, cadence.key_of(cadence.first), cadence.after(cadence.first)) == (True, "2026-11-19", None)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("{every: once}", "schedule: every: once needs start, the day that is exported"),
        ("{every: once, start: 2026-11-19, end: 2026-12-01}", "a one-time export ends by itself: leave end out"),
        ("{every: 24h, range: current_month}", "range goes with every: once"),
        ("{every: 5h}", "write one of 3h, 4h, 6h, 8h, 12h, 24h or once"),
        ("{every: once, start: 2026-11-19, range: last_month}", "must be one of previous_month, current_month"),
        ("{every: once, start: 2026-11-19, range: {from: 2026-11-18, to: 2026-11-17}}", "to must not lie before from"),
        ("{every: once, start: 2026-11-19, range: previous_month}", "schedule.range: range is for events"),
        ("{every: once, start: 2026-11-10}", "schedule.start: the source demo starts on 2026-11-18; start no earlier"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, schedule: str, message: str) -> None:
    (mistake,) = mistakes(tmp_path, once=f"schedule: {schedule}\n")
    assert message in mistake


@pytest.mark.req("P35")
def test_any_number_of_exports_goes_by_default(tmp_path: Path) -> None:
    assert sorted(load(tmp_path, one="", two="", once=ONCE).exports) == ["once", "one", "two"]


@pytest.mark.req("P35")
def test_a_guard_allows_one_recurring_profile_export_alone(tmp_path: Path) -> None:
    guard = "guards: {one_recurring_profile_export: true}\n"
    found = mistakes(tmp_path, guard, one="", two="", once=ONCE)
    assert found == ["assets/two.yaml:1: schedule: one is the one recurring profile export that settings.yaml allows"]
    (tmp_path / "assets/two.yaml").unlink()
    assert sorted(load(tmp_path, guard, one="", once=ONCE).exports) == ["once", "one"]


@pytest.mark.req("P35")
def test_a_guard_refuses_one_time_exports_beside_a_recurring_one(tmp_path: Path) -> None:
    guard = "guards: {no_one_time_beside_recurring: true}\n"
    (mistake,) = mistakes(tmp_path, guard, one="", once=ONCE)
    assert mistake.endswith("schedule.every: settings.yaml allows no one-time export while one is recurring")
    (tmp_path / "assets/one.yaml").unlink()
    assert list(load(tmp_path, guard, once=ONCE).exports) == ["once"]
