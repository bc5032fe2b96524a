"""A listing is remembered while nothing is committed, and never a moment longer."""

from dataclasses import dataclass
from pathlib import Path

from ctexport_dagster.lake.newest import Newest


@dataclass(frozen=True)
class Listed:
    version: int


def commit(root: Path, version: int) -> Listed:
    path = root / "_delta_log" / f"{version:020}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    return Listed(version)


def test_the_newest_listing_is_found_until_the_next_commit(tmp_path: Path) -> None:
    newest = Newest[Listed]()
    listing = commit(tmp_path, 0)
    assert newest.find(tmp_path, None) is None
    newest.keep(tmp_path, listing)
    assert newest.find(tmp_path, None) is listing
    commit(tmp_path, 1)
    assert newest.find(tmp_path, None) is None


def test_another_version_than_the_newest_is_not_found(tmp_path: Path) -> None:
    newest = Newest[Listed]()
    listing = commit(tmp_path, 3)
    newest.keep(tmp_path, listing)
    assert (newest.find(tmp_path, 3), newest.find(tmp_path, 2)) == (listing, None)


def test_another_table_in_the_same_place_is_not_taken_for_it(tmp_path: Path) -> None:
    newest = Newest[Listed]()
    newest.keep(tmp_path, commit(tmp_path, 0))
    (tmp_path / "_delta_log").rename(tmp_path / "away")
    assert newest.find(tmp_path, None) is None
    commit(tmp_path, 0)
    assert newest.find(tmp_path, None) is None


def test_a_table_that_does_not_exist_is_not_remembered(tmp_path: Path) -> None:
    newest = Newest[Listed]()
    newest.keep(tmp_path, Listed(-1))
    assert newest.find(tmp_path, None) is None
