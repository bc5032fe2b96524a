"""Each format's bytes of hand-written events, as the data files under tests/goldens/events/ fix them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from golden_events import GOLDENS, IDENTITY_ALONE, PLAN, event_format, resolved_events, written

from ctexport_dagster.core.columns import ColumnPlan

CASES: dict[str, tuple[str, dict[str, object], ColumnPlan]] = {
    "plain": ("plain", {}, IDENTITY_ALONE),
    "charged": ("charged", {}, PLAN),
    "charged.typed": ("charged", {"style": "typed"}, PLAN),
    "charged.as_string": ("charged", {"as_string": True}, PLAN),
}
TEXTS = [(case, type_) for case in CASES for type_ in ("json", "csv", "xml")]


def file_of(case: str, type_: str) -> bytes:
    events, options, plan = CASES[case]
    lines = (GOLDENS / f"{events}.ndjson").read_text().split("\n")[:-1]
    return written(event_format(type_, **options), plan, resolved_events(lines, plan))


@pytest.mark.parametrize(("case", "type_"), TEXTS)
@pytest.mark.req("L8", "L9", "L10", "L13", "L14", "P31", "P32")
def test_a_text_file_of_events_is_its_golden_byte_for_byte(case: str, type_: str) -> None:
    assert (GOLDENS / f"{case}.{type_}").read_bytes() == file_of(case, type_)


def types_of(path: Path) -> str:
    described = duckdb.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall()
    return "".join(f"{name}: {type_}\n" for name, type_ in described)


def values_of(path: Path) -> list[object]:
    """Each row by DuckDB, the null members of unions left out."""
    result = duckdb.execute(f"FROM '{path}'")
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return [json.loads(json.dumps(_without_nulls(row), ensure_ascii=False, default=_text)) for row in rows]


def _text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES)
@pytest.mark.req("L11", "L13", "L14", "P31", "P32")
def test_a_parquet_file_of_events_has_its_goldens_types_and_values(case: str, tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    path.write_bytes(file_of(case, "parquet"))
    assert (GOLDENS / f"{case}.parquet.types").read_text() == types_of(path)
    expected = [json.loads(line) for line in (GOLDENS / f"{case}.parquet.values").read_text().split("\n")[:-1]]
    assert expected == values_of(path)
