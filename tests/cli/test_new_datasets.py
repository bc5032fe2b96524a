"""`ctexport new` for a flow of datasets: the same declaration by answers and by flags."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from line_fakes import tree
from new_place import Place, said

from ctexport_dagster.home import load_home

DAY = "2026-11-18"
SHOP = f"""type: files
start: {DAY}
datasets:
  orders: data/orders/{{{{Partition}}}}.parquet
  refunds: {{path: data/refunds.csv, holds: all}}
"""
CRM = "profiles: data/people/{{Partition}}.parquet\n"
SHORT = ("--destination", "outbox", "--owner", "data@example.com", "--account-id", "100000000")
ANSWERS = (
    *("tables", "1", "1", "order, 3", "orders, 1", "parquet", "100000000", "data@example.com", "run_date", ""),
    *("24h", "UTC", DAY, "02:00", "", "y"),
)
FLAGS = (
    *("tables", "--dataset", "orders", "--format", "parquet", "--folder", "run_date", *SHORT),
    *("--every", "24h", "--timezone", "UTC", "--start", DAY, "--at", "02:00", "--mode", "incremental"),
)
SAID = {
    "kind": "datasets",
    "owner": "data@example.com",
    "source": "shop",
    "destination": "outbox",
    "account_id": 100000000,
    "datasets": ["orders"],
    "format": "parquet",
    "files": {"folder": "run_date", "name": "default"},
    "schedule": {
        "every": "24h",
        "at": "02:00",
        "timezone": "UTC",
        "start": date(2026, 11, 18),
        "mode": "incremental",
    },
}


@pytest.fixture
def shop(tmp_path: Path) -> Place:
    """A home with a source of two tables, and no export."""
    for folder in ("assets", "resources", "data/orders"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "resources/shop.yaml").write_text(SHOP)
    (tmp_path / "resources/outbox.yaml").write_text("type: local\nfolder: exports\n")
    pl.DataFrame({"id": [1, 2], "mail": ["quokka@example.com", None]}).write_parquet(
        tmp_path / f"data/orders/{DAY}.parquet"
    )
    (tmp_path / "data/refunds.csv").write_text("id\n1\n")
    return Place(tmp_path)


def sells_to_people(shop: Place) -> Place:
    """With profiles in the source as well."""
    with (shop.root / "resources/shop.yaml").open("a") as file:
        file.write(CRM)
    return shop


@pytest.mark.req("A1")
def test_the_answers_become_a_flow(shop: Place) -> None:
    code, output = shop.new("--ask", answers=ANSWERS)
    assert (code, "order is none of them; did you mean orders?" in output) == (0, True)
    assert said(shop)["assets/tables.yaml"] == SAID


@pytest.mark.req("A1")
def test_the_same_said_by_flags_becomes_the_same_flow(shop: Place) -> None:
    assert shop.new(*FLAGS)[0] == 0
    assert (said(shop)["assets/tables.yaml"], shop.check()) == (SAID, 0)


def test_of_a_source_with_profiles_too_the_kind_is_asked(shop: Place) -> None:
    answers = (*ANSWERS[:3], "datasets", *ANSWERS[3:])
    assert sells_to_people(shop).new("--ask", answers=answers)[0] == 0
    assert said(shop)["assets/tables.yaml"] == SAID


def test_without_being_asked_such_a_source_gives_profiles(shop: Place) -> None:
    assert sells_to_people(shop).new("people", *SHORT)[0] == 0
    assert "kind: profiles" in shop.written()["assets/people.yaml"]


def test_paths_columns_and_masked_rows_of_each_dataset_are_shown(shop: Place) -> None:
    code, output = shop.new("both", "--dataset", "orders", "--dataset", "refunds", "--mode", "full", *SHORT)
    shown = ("orders: files of", "refunds: files of", "both-refunds-2026-11-18-g1", "refunds: its columns", "q***@e***")
    assert (code, [text for text in shown if text not in output]) == (0, [])
    assert "quokka" not in output


def test_a_source_that_cant_be_read_yet_stops_nothing(shop: Place) -> None:
    (shop.root / f"data/orders/{DAY}.parquet").unlink()
    code, output = shop.new("tables", "--dataset", "orders", *SHORT)
    assert (code, f"no file matches {shop.root}/data/orders/{DAY}.parquet" in output) == (0, True)


def test_tables_that_are_given_whole_go_out_whole(shop: Place) -> None:
    assert shop.new("whole", "--dataset", "refunds", *SHORT)[0] == 0
    assert load_home({"CTEXPORT_HOME": str(shop.root)}, shop.root).exports["whole"].schedule.mode == "full"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "nobody can be asked here, so give --dataset;"),
        (("--dataset", "order"), "the dataset order, which shop doesn't declare"),
        (("--dataset", "orders", "--dataset", "orders"), "a dataset stands in the list twice: orders"),
        (("--dataset", "orders", "--device", "--order", "id"), "leave --device, --order out"),
        (("--dataset", "orders", "--dataset", "refunds"), "nothing tells what was added"),
        (("--dataset", "orders", "--file-name", "a{{Event-name}}"), "files.name"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(shop: Place, flags: tuple[str, ...], says: str) -> None:
    shop.refuses("tables", *flags, *SHORT, says=says)


def test_a_no_at_the_end_writes_nothing(shop: Place) -> None:
    before = tree(shop.root)
    assert shop.new("--ask", answers=(*ANSWERS[:-1], "n"))[0] == 0
    assert tree(shop.root) == before
