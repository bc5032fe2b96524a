"""Row groups lifted out of one Parquet file and placed into another."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ctexport_dagster.core.formats.row_group import MAGIC, footer_of, lifted
from ctexport_dagster.core.formats.thrift import (
    BINARY,
    DOUBLE,
    FALSE,
    I64,
    LIST,
    STRUCT,
    TRUE,
    ThriftField,
    ThriftList,
    ThriftStruct,
    decode_struct,
    encode_struct,
)

SCHEMA = pa.schema([("name", pa.string()), ("visits", pa.int64()), ("tags", pa.list_(pa.string()))])


def _by_number(struct: ThriftStruct) -> ThriftStruct:
    return dict(sorted(struct.items()))


INTEGERS = st.integers(-(2**63), 2**63 - 1)
FIELDS: st.SearchStrategy[ThriftField] = st.recursive(
    st.builds(ThriftField, st.just(I64), INTEGERS)
    | st.builds(ThriftField, st.just(BINARY), st.binary(max_size=200))
    | st.builds(ThriftField, st.just(DOUBLE), st.binary(min_size=8, max_size=8))
    | st.sampled_from([ThriftField(TRUE, True), ThriftField(FALSE, False)])
    | st.builds(ThriftField, st.just(LIST), st.builds(ThriftList, st.just(I64), st.lists(INTEGERS, max_size=20))),
    lambda inner: st.builds(
        ThriftField, st.just(STRUCT), st.dictionaries(st.integers(1, 300), inner, max_size=4).map(_by_number)
    ),
    max_leaves=10,
)


def file_of(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        if table.num_rows:
            writer.write_table(table)
    return memoryview(sink.getvalue()).cast("B")


def table(rows: int, first: int = 0) -> pa.Table:
    numbers = range(first, first + rows)
    columns = [[f"name {n}" for n in numbers], list(numbers), [[str(n)] * (n % 3) for n in numbers]]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


@given(st.dictionaries(st.integers(1, 300), FIELDS, max_size=6).map(_by_number))
def test_a_thrift_struct_reads_back_as_it_was_written(struct: ThriftStruct) -> None:
    assert struct == decode_struct(encode_struct(struct))


def test_a_footer_of_arrow_comes_out_as_it_went_in() -> None:
    file = bytes(file_of(table(100)))
    footer = file[-8 - int.from_bytes(file[-8:-4], "little") : -8]
    assert footer == encode_struct(decode_struct(footer))


@pytest.mark.parametrize("sizes", [[], [5], [1, 70_000, 3], [2] * 40])
@pytest.mark.req("P10")
def test_row_groups_of_several_files_make_one_that_arrow_reads(sizes: list[int]) -> None:
    tables = [table(size, first=100 * place) for place, size in enumerate(sizes)]
    parts = [lifted(file_of(rows)) for rows in tables]
    groups = [group for _, group in parts]
    tail = footer_of(file_of(table(0)), groups)
    joined = b"".join([MAGIC, *(content for content, _ in parts), tail])
    expected = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    assert expected.equals(parquet.read_table(pa.BufferReader(joined)))
    assert sum(sizes) == parquet.read_metadata(pa.BufferReader(joined)).num_rows
    assert len(tail) <= len(footer_of(file_of(table(0)), [])) + sum(group.footer_bytes for group in groups) + 10
