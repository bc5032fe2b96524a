"""The staged file of resolved rows: what was written comes back, for every type, in the same bytes."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.resolved_file import BATCH_BYTES, ResolvedWriter, read_resolved
from ctexport_dagster.core.row_slices import row_bytes, row_slices
from ctexport_dagster.core.schema import ValueType

PLAN = ColumnPlan(
    (
        OutputColumn("identity", "identity", "identity", ValueType.STRING),
        OutputColumn("all_identities", "all_identities", "all_identities", ValueType.STRINGS),
        *(OutputColumn("property", type_.value, type_.value, type_) for type_ in ValueType),
    )
)
ROWS = pl.DataFrame(
    [
        [
            "a",
            ["a", "b"],
            None,
            True,
            2**63 - 1,
            0.1,
            0.1,
            "é",
            date(2026, 11, 18),
            datetime(2026, 1, 1, tzinfo=UTC),
            [],
        ],
        [None, [], None, None, None, None, None, "", None, None, None],
        ["\x00\U0001f3b2", [""], None, False, -1, -0.0, 1e300, None, date(1, 1, 1), None, ["x", ""]],
    ],
    schema=PLAN.frame_schema,
    orient="row",
)


def write(path: Path, frames: list[pl.DataFrame]) -> Path:
    with ResolvedWriter(path, PLAN.frame_schema) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_every_type_comes_back(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.arrow", [ROWS, ROWS])
    assert_frame_equal(pl.concat([ROWS, ROWS]), pl.concat(read_resolved(path)))


def test_a_file_without_rows_comes_back_without_frames(tmp_path: Path) -> None:
    assert list(read_resolved(write(tmp_path / "rows.arrow", []))) == []
    assert list(read_resolved(write(tmp_path / "rows.arrow", [ROWS.clear()]))) == []


@pytest.mark.req("B2")
def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, [ROWS] * 50) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_large_frame_is_read_in_batches_of_bounded_size(tmp_path: Path) -> None:
    frame = pl.concat([ROWS] * 200).with_columns(pl.lit("x" * 100_000).alias("identity"))
    sizes = [int(row_bytes(batch).sum()) for batch in read_resolved(write(tmp_path / "rows.arrow", [frame]))]
    assert len(sizes) > 2
    assert max(sizes) <= BATCH_BYTES


def test_a_frame_of_other_columns_is_refused(tmp_path: Path) -> None:
    with (
        ResolvedWriter(tmp_path / "rows.arrow", PLAN.frame_schema) as writer,
        pytest.raises(ValueError, match="plan order"),
    ):
        writer.write(ROWS.select(reversed(ROWS.columns)))


def test_a_file_that_was_cut_off_is_not_read_as_a_shorter_one(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.arrow", [ROWS] * 10)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(pa.ArrowInvalid):
        list(read_resolved(path))


def test_a_writer_left_by_an_error_leaves_no_readable_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ResolvedWriter(tmp_path / "rows.arrow", PLAN.frame_schema) as writer:
            writer.write(ROWS)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    with pytest.raises(pa.ArrowInvalid):
        list(read_resolved(tmp_path / "rows.arrow"))


@given(st.lists(st.lists(st.text(max_size=30), max_size=20), max_size=6), st.integers(1, 200))
def test_slices_hold_all_rows_in_order_within_their_size(batches: list[list[str]], slice_bytes: int) -> None:
    frames = [pl.DataFrame({"text": batch}, schema={"text": pl.String}) for batch in batches]
    slices = list(row_slices(frames, slice_bytes, extra_bytes=3))
    assert [text for batch in batches for text in batch] == [text for piece in slices for text in piece["text"]]
    assert [
        piece for piece in slices if piece.height > 1 and row_bytes(piece).sum() + 3 * piece.height > slice_bytes
    ] == []


@given(st.lists(st.lists(st.text(max_size=30), max_size=20), max_size=6), st.integers(1, 200))
def test_slices_do_not_depend_on_the_incoming_batches(batches: list[list[str]], slice_bytes: int) -> None:
    frames = [pl.DataFrame({"text": batch}, schema={"text": pl.String}) for batch in batches]
    whole = [pl.DataFrame({"text": [text for batch in batches for text in batch]}, schema={"text": pl.String})]
    assert [piece["text"].to_list() for piece in row_slices(whole, slice_bytes, 3)] == [
        piece["text"].to_list() for piece in row_slices(frames, slice_bytes, 3)
    ]
