"""What `ctexport run`, `show` and `list` say of refused rows and of misspelt names; never a value."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.core.errors import ExportError

DAY = "2026-11-18"
EXPORT = "owner: data@example.com\nsource: shop\ndestination: disk\naccount_id: 1\nformat: json\n"
GIVEN = {
    "profiles": (
        'profiles: "data/{{Partition}}.ndjson"\n',
        ['{"clevertapId": "a"}', '{"clevertapId": null, "Plan": "secret"}', "{secret"],
        "missing_id in clevertapId",
    ),
    "events": (
        'events: "data/{{Partition}}.ndjson"\n',
        [
            '{"eventName": "Charged", "ts": "2026-11-18T05:00:00Z"}',
            '{"eventName": "Charged", "ts": "secret"}',
            "{secret",
        ],
        "contradicts_type in ts",
    ),
    "datasets": (
        'datasets: {orders: {path: "data/{{Partition}}.ndjson", types: {price: float64}}}\n',
        ['{"price": 1.5}', '{"price": "secret"}', "{secret"],
        "contradicts_type in price",
    ),
}
FLOWS = {"profiles": "", "events": "kind: events\n", "datasets": "kind: datasets\ndatasets: [orders]\n"}
INPUTS = {"profiles": "shop/profiles", "events": "shop/events", "datasets": "shop/orders"}


class Shop:
    """A home whose source gives rows of one kind, some of which can't be used, and the command line on it."""

    def __init__(self, root: Path, kind: str, rows: list[str], **source: object) -> None:
        self.root = root
        for folder in ("assets", "resources", "data"):
            (root / folder).mkdir()
        declared = "".join(f"{name}: {value}\n" for name, value in source.items())
        (root / "resources/shop.yaml").write_text(f"type: files\nstart: {DAY}\n{GIVEN[kind][0]}{declared}")
        (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
        (root / "assets/daily.yaml").write_text(EXPORT + FLOWS[kind])
        (root / f"data/{DAY}.ndjson").write_text("\n".join(rows) + "\n")

    def __call__(self, *arguments: str) -> str:
        result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(self.root), "COLUMNS": "250"})
        if isinstance(result.exception, ExportError):
            return f"{result.output}{result.exception}"
        assert result.exit_code == 0, result.output
        return result.output


@pytest.mark.req("B6", "B1")
@pytest.mark.parametrize("kind", list(GIVEN))
def test_refused_rows_are_told_by_run_show_and_list(tmp_path: Path, kind: str) -> None:
    shop = Shop(tmp_path, kind, GIVEN[kind][1])
    ran = shop("run", "daily", "--partition", DAY)
    (told,) = (line for line in ran.splitlines() if line.startswith("! "))
    assert told.startswith(f"! {INPUTS[kind]} {DAY}: 2 of 3 rows refused: ")
    assert f"1 {GIVEN[kind][2]}, first at data/{DAY}.ndjson:2; 1 unreadable, first at data/{DAY}.ndjson:3; in " in told
    kept = Path(told.rpartition("; in ")[2])
    assert pl.read_parquet(kept).height == 2
    assert told[2:] in shop("show", "daily")
    (shown,) = json.loads(shop("show", "daily", "--json"))["refused"]
    assert (shown["input"], shown["partition"], shown["rows"], shown["given"]) == (INPUTS[kind], DAY, 2, 3)
    assert [(one["field"], one["rows"]) for one in shown["by"]] == [(GIVEN[kind][2].rpartition(" ")[2], 1), (None, 1)]
    listed = f"? daily: 2 rows of its source were refused: 1 {GIVEN[kind][2]}; 1 unreadable; in {kept.parent}; "
    assert f"{listed}ctexport show daily" in shop("list")
    (export,) = json.loads(shop("list", "--json"))["exports"]
    assert export["refused"] == [shown]
    assert "secret" not in ran + shop("show", "daily") + shop("list")


@pytest.mark.req("B6")
def test_a_partition_of_which_every_row_was_refused_is_told_as_such(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "datasets", ['{"price": "secret"}'] * 3)
    (told,) = json.loads(shop("run", "daily", "--partition", DAY, "--json"))
    assert (told["rows"], told["refused"][0]["rows"], told["refused"][0]["given"]) == (0, 3, 3)
    assert "all 3 of 3 rows refused: 3 contradicts_type in price" in shop("show", "daily")


@pytest.mark.req("B6")
@pytest.mark.parametrize("kind", list(GIVEN))
def test_rows_for_which_a_partition_failed_are_told_and_lie_where_the_message_says(tmp_path: Path, kind: str) -> None:
    shop = Shop(tmp_path, kind, GIVEN[kind][1], max_quarantined=1)
    said = shop("run", "daily", "--partition", DAY)
    assert (
        f"2 of 3 rows were refused, `max_quarantined` allows 1: 1 {GIVEN[kind][2]}, first at data/{DAY}.ndjson:2"
        in said
    )
    (kept,) = (tmp_path / ".ctexport/quarantine").rglob(f"{DAY}-failed.parquet")
    assert f"The refused rows are in {kept}." in said
    assert f"{INPUTS[kind]} {DAY}: 2 rows refused, so that the partition failed: " in shop("show", "daily")
    assert "secret" not in said


def test_of_sound_rows_nothing_is_said(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "datasets", ['{"price": 1.5}'])
    assert "! " not in shop("run", "daily", "--partition", DAY)
    assert "refused" not in shop("show", "daily")
    assert "? " not in shop("list")


@pytest.mark.parametrize(
    ("kind", "row", "export", "source", "told"),
    [
        (
            "datasets",
            '{"prices": 1.5}',
            "",
            {},
            "shop/orders: types: no column is called price; did you mean prices?",
        ),
        (
            "profiles",
            '{"clevertapId": "a", "plan": "1"}',
            "",
            {"types": "{plans: integer}"},
            "shop: types: no column is called plans; did you mean plan?",
        ),
        (
            "events",
            '{"eventName": "Charged", "ts": "2026-11-18T05:00:00Z"}',
            "events: [Charge]\n",
            {},
            "daily: events: no event is called Charge; did you mean Charged?",
        ),
    ],
)
def test_names_that_nothing_of_the_source_answers_to_are_told(
    tmp_path: Path, kind: str, row: str, export: str, source: dict[str, object], told: str
) -> None:
    shop = Shop(tmp_path, kind, [row], **source)
    declared = tmp_path / "assets/daily.yaml"
    declared.write_text(declared.read_text() + export)
    assert f"! {told}" in shop("run", "daily", "--partition", DAY)
    assert told in shop("show", "daily")
