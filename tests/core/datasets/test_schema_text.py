"""A table's schema as text: whatever the types, it comes back as it was."""

import polars as pl
import pytest
from dataset_strategies import SCHEMAS
from hypothesis import given, settings

from ctexport_dagster.core.datasets.schema_text import schema_from_text, schema_text


@settings(max_examples=100)
@given(SCHEMAS)
@pytest.mark.req("A1", "B1")
def test_any_schema_comes_back_from_its_text(columns: list[tuple[str, pl.DataType]]) -> None:
    schema = pl.Schema(columns)
    read = schema_from_text(schema_text(schema))
    assert list(schema.items()) == list(read.items())
    assert schema_text(schema) == schema_text(read)


@pytest.mark.parametrize("text", ["", "x", "no schema", "AAAA", "é", schema_text(pl.Schema({"a": pl.Int64()}))[:40]])
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no schema of a table"):
        schema_from_text(text)


def test_a_schema_without_columns_comes_back() -> None:
    assert pl.Schema() == schema_from_text(schema_text(pl.Schema()))
