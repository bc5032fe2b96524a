"""Each format's bytes, as the data files under tests/goldens/profiles fix them."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from golden_profiles import ALL_VALUES_PLAN, ALL_VALUES_PROFILES, PLAN, PROFILES, without

from ctexport_dagster.core.chunking import write_chunks
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.export import Format

GOLDENS = Path(__file__).parents[2] / "goldens" / "profiles"

CASES: dict[str, tuple[dict[str, object], ColumnPlan, pl.DataFrame]] = {
    "clevertap": ({}, PLAN, PROFILES),
    "typed": ({"style": "typed"}, PLAN, PROFILES),
    "as_string": ({"as_string": True}, PLAN, PROFILES),
    "all_values": ({}, ALL_VALUES_PLAN, ALL_VALUES_PROFILES),
}


def delivered(declared: Format, plan: ColumnPlan, frame: pl.DataFrame, folder: Path) -> Path:
    """The one file that these rows come to."""
    (chunk,) = write_chunks([frame], declared, plan, folder, 0, 100_000_000, 1)
    return folder / chunk.file


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("type_", ["csv", "json", "xml"])
@pytest.mark.req("P11", "P13", "P14", "P15", "P17", "P18", "P21", "P27", "P28", "P29", "P31", "P32", "L13")
def test_a_text_file_is_its_golden_byte_for_byte(type_: str, case: str, tmp_path: Path) -> None:
    options, plan, frame = CASES[case]
    declared = Format.model_validate({"type": type_, **options})
    actual = gzip.decompress(delivered(declared, plan, frame, tmp_path).read_bytes())
    assert (GOLDENS / f"{case}.{type_}").read_bytes() == actual


@pytest.mark.parametrize("case", CASES)
@pytest.mark.req("P13", "P14", "P15", "P17", "P18", "P21", "P30", "P31", "P32", "L13")
def test_a_parquet_file_has_its_goldens_types_as_duckdb_prints_them(case: str, tmp_path: Path) -> None:
    options, plan, frame = CASES[case]
    path = delivered(Format.model_validate({"type": "parquet", **options}), plan, frame, tmp_path)
    described = duckdb.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall()
    expected = (GOLDENS / f"{case}.parquet.types").read_text()
    assert expected == "".join(f"{name}: {type_}\n" for name, type_ in described)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.req("P13", "P14", "P15", "P17", "P18", "P21", "P30", "P31", "P32", "L13")
def test_a_parquet_file_has_its_goldens_values(case: str, tmp_path: Path) -> None:
    options, plan, frame = CASES[case]
    path = delivered(Format.model_validate({"type": "parquet", **options}), plan, frame, tmp_path)
    expected = [json.loads(line) for line in (GOLDENS / f"{case}.parquet.values").read_text().split("\n")[:-1]]
    assert expected == [json.loads(line) for line in present_values(path)]


def rows_of(path: Path) -> list[dict[str, object]]:
    """A Parquet file's rows, by DuckDB."""
    result = duckdb.execute(f"FROM '{path}'")
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def present_values(path: Path) -> list[str]:
    """Each row of a Parquet file as JSON, by DuckDB, the null members of unions left out."""
    rows = rows_of(path)
    return [json.dumps(_without_nulls(row), ensure_ascii=False, default=_text) for row in rows]


def _text(value: object) -> str:
    """DuckDB gives timestamps in the machine's time zone."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


@pytest.mark.req("P18", "P28", "P30")
def test_sections_of_columns_that_are_not_chosen_do_not_appear(tmp_path: Path) -> None:
    plan = without(PLAN, "all_identities", "clevertapId", "clevertapIds", "device", "preference", "groups")
    path = delivered(Format(type="parquet"), plan, PROFILES, tmp_path)
    assert list(rows_of(path)[0]) == ["identity", "profileProps"]
    text = gzip.decompress(delivered(Format(type="xml"), plan, PROFILES, tmp_path).read_bytes())
    assert b"<Profile><identity>user_123</identity><profileProps><entry>" in text
