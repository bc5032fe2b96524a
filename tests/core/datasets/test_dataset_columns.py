"""The columns of a table in its manifest: names of types, and the fingerprint that changes with them."""

import polars as pl
import pytest
from dataset_strategies import TYPES
from golden_datasets import SCHEMA, dataset_format
from hypothesis import given, settings

from ctexport_dagster.core.datasets.columns import dataset_columns, dataset_fingerprint
from ctexport_dagster.core.datasets.type_names import type_name, type_named
from ctexport_dagster.core.manifest import ManifestColumn


def as_listed(dtype: pl.DataType) -> pl.DataType:
    """The type with lists for arrays of fixed length, which files write alike."""
    match dtype:
        case pl.List() | pl.Array():
            return pl.List(as_listed(dtype.inner))
        case pl.Struct():
            return pl.Struct([pl.Field(field.name, as_listed(field.dtype)) for field in dtype.fields])
        case pl.Map():
            return pl.Map(as_listed(dtype.key), as_listed(dtype.value))
        case _:
            return dtype


@settings(max_examples=200)
@given(TYPES)
@pytest.mark.req("B1")
def test_any_type_is_told_by_its_name(dtype: pl.DataType) -> None:
    assert as_listed(dtype) == type_named(type_name(dtype))


@pytest.mark.parametrize("name", ["", "text", "decimal", "list<", "list<int64>>", "struct<a>", "timestamp(h)", "map<>"])
def test_a_name_that_no_type_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="that no table has"):
        type_named(name)


@pytest.mark.req("B1")
def test_a_manifest_names_every_column_with_its_type() -> None:
    columns = dataset_columns(SCHEMA)
    assert SCHEMA.names() == [column.name for column in columns]
    types = {column.name: column.type for column in columns}
    assert ManifestColumn("price", "decimal(12,2)", "price") == columns[4]
    assert types["customer"] == 'struct<id: int64, "full name": string, credit: decimal(9,2), since: date>'
    assert types["zoned"] == "timestamp(ns, Asia/Kolkata)"
    assert types["by_day"] == "map<date, decimal(9,2)>"
    assert types["marker"] == "struct<>"


BASE = pl.Schema({"id": pl.Int64(), "at": pl.Datetime("us")})


@pytest.mark.parametrize(
    "schema",
    [
        pl.Schema({"at": pl.Datetime("us"), "id": pl.Int64()}),
        pl.Schema({"id": pl.Int32(), "at": pl.Datetime("us")}),
        pl.Schema({"id": pl.Int64(), "at": pl.Datetime("us", "UTC")}),
        pl.Schema({"id": pl.Int64(), "at": pl.Datetime("us"), "new": pl.Null()}),
    ],
)
@pytest.mark.req("B1")
def test_a_fingerprint_changes_with_names_types_and_order(schema: pl.Schema) -> None:
    declared = dataset_format("parquet")
    assert dataset_fingerprint(declared, BASE) != dataset_fingerprint(declared, schema)


@pytest.mark.req("B1")
def test_a_fingerprint_stays_the_same_under_another_compression_and_as_text_under_other_types() -> None:
    zstd, snappy = dataset_format("parquet"), dataset_format("parquet", compression="snappy")
    assert dataset_fingerprint(zstd, BASE) == dataset_fingerprint(snappy, BASE)
    as_string = dataset_format("csv", as_string=True)
    texts = pl.Schema({"id": pl.String(), "at": pl.String()})
    assert dataset_fingerprint(as_string, BASE) == dataset_fingerprint(as_string, texts)
    assert dataset_fingerprint(dataset_format("csv"), BASE) != dataset_fingerprint(dataset_format("json"), BASE)
