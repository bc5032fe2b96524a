"""The normalisation: what becomes of every shape and type, and that no row is ever lost."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zlib import crc32

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ctexport_dagster.core.normalise.normaliser import Normalised, Normaliser
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType
from ctexport_dagster.core.source import RawBatch, SourceDeclaration
from ctexport_dagster.resources.files.declaration import FilesSource


def declared(**settings: object) -> SourceDeclaration:
    return FilesSource.model_validate(
        {"name": "crm", "profiles": "{{Partition}}.parquet", "start": date(2026, 11, 1), **settings}
    )


def known(**types: ValueType) -> SourceSchema:
    return SourceSchema(tuple(Field("property", name, kind) for name, kind in types.items()))


def normalised(frame: pl.DataFrame, schema: SourceSchema | None = None, **settings: object) -> Normalised:
    return Normaliser(declared(**settings), schema or SourceSchema()).normalise(RawBatch(frame))


def with_ids(**columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(clevertapId=pl.Series([f"id{row}" for row in range(frame.height)], dtype=pl.String))


def property_of(frame: pl.DataFrame, schema: SourceSchema | None = None, **settings: object) -> pl.Series:
    """The one property's value column."""
    result = normalised(frame, schema, **settings)
    assert result.quarantined.is_empty()
    return result.frame.select(pl.exclude(*KEY_COLUMNS, "seq")).to_series()


def key_of(name: str, values: Sequence[object], dtype: pl.DataType | None = None) -> list[object]:
    result = normalised(with_ids(**{name: pl.Series(values, dtype=dtype)}))
    column = "deviceToken" if name == "device" else "instance" if name == "instanceId" else name
    return result.frame[column].to_list()


def reasons(result: Normalised) -> list[tuple[object, ...]]:
    return result.quarantined.select("clevertapId", "reason", "field", "value").rows()


def test_the_frame_has_the_profile_models_columns_then_the_fields_then_seq():
    frame = normalised(with_ids(Name=["Ada"])).frame
    assert dict(frame.schema) == {**KEY_COLUMNS, "ps_^name": pl.String(), "seq": pl.UInt64()}


def test_h_is_the_crc32_of_the_id_and_the_instance_its_rest():
    frame = normalised(pl.DataFrame({"clevertapId": ["é"]}), instances=7).frame
    h = crc32("é".encode())
    assert frame.select("h", "instance").rows() == [(h, h % 7)]


def test_a_given_instance_counts_and_a_missing_one_is_hashed():
    frame = normalised(with_ids(instanceId=[23, None]), instances=1).frame
    assert frame["instance"].to_list() == [23, 0]


def test_an_instance_outside_0_to_1023_is_refused():
    result = normalised(with_ids(instanceId=[-1, 1024, 1023]))
    assert reasons(result) == [
        ("id0", "contradicts_type", "instanceId", "-1"),
        ("id1", "contradicts_type", "instanceId", "1024"),
    ]


@pytest.mark.req("B6")
@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_row_without_an_id_is_refused(missing: str | None):
    result = normalised(pl.DataFrame({"clevertapId": [missing, "a"], "Name": ["x", "y"]}))
    assert reasons(result) == [(missing, "missing_id", "clevertapId", missing)]
    assert result.frame["clevertapId"].to_list() == ["a"]


@pytest.mark.req("B6")
def test_a_batch_without_an_id_column_is_refused_whole():
    assert normalised(pl.DataFrame({"Name": ["x", "y"]})).quarantined["reason"].to_list() == ["missing_id"] * 2


def test_seq_numbers_rows_over_the_batches_and_leaves_gaps_for_the_refused():
    normaliser = Normaliser(declared(), SourceSchema())
    batches = [["a", None, "b"], ["c"]]
    frames = [normaliser.normalise(RawBatch(pl.DataFrame({"clevertapId": ids}))).frame for ids in batches]
    assert pl.concat(frames)["seq"].to_list() == [0, 2, 3]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["a", "b"], [], None], [["a", "b"], None, None]),
        (
            ["[a,b]", "[ a , b ]", '["a","b, c"]', "[]", "a", ""],
            [["a", "b"], ["a", "b"], ["a", "b, c"], None, ["a"], None],
        ),
        (["[1,2]"], [["1", "2"]]),
        ([[1, 2]], [["1", "2"]]),
    ],
)
def test_clevertap_ids_come_from_lists_and_from_text(values: list[object], expected: list[object]):
    assert key_of("clevertapIds", values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["u1", "", None, " a,b "], [["u1"], None, None, [" a,b "]]),
        (['["u1","u2"]', "[u1]"], [["u1", "u2"], ["[u1]"]]),
        ([["u1", None, "u2", ""]], [["u1", "u2"]]),
        ([7, None], [["7"], None]),
    ],
)
def test_identity_comes_from_text_lists_and_numbers(values: list[object], expected: list[object]):
    assert key_of("identity", values) == expected


@pytest.mark.req("P17", "P27")
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([{"token": "t", "os": "x"}, {"token": None, "os": "y"}, None], None),
        ([{"token": "t"}, {}, None], pl.Map(pl.String(), pl.String())),
        (['{"token":"t"}', "{}", None], None),
        (["t", None, None], None),
    ],
)
def test_the_device_token_comes_from_a_struct_a_map_json_and_text(values: list[object], dtype: pl.DataType | None):
    assert key_of("device", values, dtype) == ["t", None, None]


def test_a_batch_without_rows_keeps_the_frames_shape():
    dtypes = {
        "clevertapId": pl.Binary,
        "device": pl.Struct({"token": pl.Binary}),
        "subscriptionGroups": pl.Map(pl.Binary(), pl.Binary()),
        "identity": pl.List(pl.Binary),
        "deleted": pl.Binary,
        "updatedAt": pl.Datetime("ns"),
        "instanceId": pl.Int64,
        "x": pl.Struct({"a": pl.Int64}),
    }
    frame = normalised(pl.DataFrame(schema=dtypes)).frame
    assert dict(frame.schema) == {**KEY_COLUMNS, "seq": pl.UInt64()}


def test_a_device_token_column_goes_before_the_device():
    frame = with_ids(deviceToken=["a", ""], device=[{"token": "b"}, {"token": "c"}])
    assert normalised(frame).frame["deviceToken"].to_list() == ["a", "c"]


ENTRIES = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


@pytest.mark.req("P27")
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([{"b": "Sub", "a é": 'x"y'}, {"b": "Sub", "a é": None}, {"b": None, "a é": None}, None], None),
        ([{"b": "Sub", "a é": 'x"y'}, {"b": "Sub"}, {}, None], pl.Map(pl.String(), pl.String())),
        (
            [
                [{"key": "b", "value": "old"}, {"key": "a é", "value": 'x"y'}, {"key": "b", "value": "Sub"}],
                [{"key": "b", "value": "Sub"}, {"key": "a é", "value": None}],
                [],
                None,
            ],
            ENTRIES,
        ),
        (['{"b": "Sub", "a é": "x\\"y"}', '[{"key":"b","value":"Sub"}]', "{}", ""], None),
    ],
)
def test_subscription_groups_become_canonical_json_from_every_shape(values: list[object], dtype: pl.DataType | None):
    assert key_of("subscriptionGroups", values, dtype) == ['{"a é":"x\\"y","b":"Sub"}', '{"b":"Sub"}', None, None]


def test_groups_that_are_no_object_are_refused():
    result = normalised(with_ids(subscriptionGroups=["yes", "[1]", '{"a":1}', None]))
    assert [row[0] for row in reasons(result)] == ["id0", "id1"]
    assert result.frame["subscriptionGroups"].to_list() == ['{"a":"1"}', None]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T00:00:00Z",
        "2026-11-01t00:00:00.000000z",
        "2026-11-01 05:30:00+05:30",
        "2026-11-01T01:00:00",
        "2026-11-01 01:00",
        "1793491200",
        "1793491200.0",
    ],
)
def test_updated_at_reads_rfc_3339_wall_clocks_of_the_zone_and_epoch_seconds(text: str):
    frame = normalised(with_ids(updatedAt=[text]), timezone="Europe/Berlin").frame
    assert frame["updatedAt"].to_list() == [datetime(2026, 11, 1, tzinfo=UTC)]


@pytest.mark.parametrize("values", [["soon"], [20_261_101_000_000], ["20261101000000"], [True]])
def test_an_updated_at_that_is_no_instant_is_refused(values: list[object]):
    assert [row[1:3] for row in reasons(normalised(with_ids(updatedAt=values)))] == [("contradicts_type", "updatedAt")]


@pytest.mark.parametrize("values", [[True, False, None], ["TRUE", "0", ""], [1, 0, None]])
def test_deleted_reads_flags_numbers_and_text(values: list[object]):
    assert normalised(with_ids(deleted=values)).frame["deleted"].to_list() == [True, False, False]


def test_a_deleted_row_carries_no_values_and_is_not_refused_for_them():
    result = normalised(with_ids(deleted=[True, False], age=[float("nan"), 1.5]))
    assert result.frame["pf_age"].to_list() == [None, 1.5]


@pytest.mark.req("P31")
@pytest.mark.parametrize(
    ("values", "dtype", "kind", "expected"),
    [
        (["a", ""], pl.String(), ValueType.STRING, ["a", ""]),
        (["a", "b"], pl.Categorical(), ValueType.STRING, ["a", "b"]),
        ([b"\xc3\xa9"], pl.Binary(), ValueType.STRING, ["é"]),
        ([True, None], pl.Boolean(), ValueType.BOOLEAN, [True, None]),
        ([1, -1], pl.Int8(), ValueType.INTEGER, [1, -1]),
        ([2**63 - 1], pl.UInt64(), ValueType.INTEGER, [2**63 - 1]),
        ([1.5], pl.Float32(), ValueType.FLOAT32, [1.5]),
        ([0.1], pl.Float64(), ValueType.FLOAT64, [0.1]),
        ([Decimal("0.10")], pl.Decimal(15, 2), ValueType.FLOAT64, [0.1]),
        ([Decimal("0.10")], pl.Decimal(16, 2), ValueType.STRING, ["0.10"]),
        ([Decimal(7)], pl.Decimal(18, 0), ValueType.INTEGER, [7]),
        ([date(2026, 1, 2)], pl.Date(), ValueType.DATE, [date(2026, 1, 2)]),
        ([time(1, 2, 3)], pl.Time(), ValueType.STRING, ["01:02:03"]),
        ([["a", None], []], pl.List(pl.String()), ValueType.STRINGS, [["a", None], []]),
        ([[1, 2]], pl.List(pl.Int64()), ValueType.STRINGS, [["1", "2"]]),
        ([["a", "b"]], pl.Array(pl.String(), 2), ValueType.STRINGS, [["a", "b"]]),
        ([[1.5, 2.0]], pl.List(pl.Float64()), ValueType.STRINGS, [["1.5", "2.0"]]),
        (
            [{"b": [1], "a": "é"}],
            pl.Struct({"b": pl.List(pl.Int64), "a": pl.String}),
            ValueType.STRING,
            ['{"a":"é","b":[1]}'],
        ),
        ([{"b": 1, "a": 2}], pl.Map(pl.String(), pl.Int64()), ValueType.STRING, ['{"a":2,"b":1}']),
    ],
)
def test_values_keep_what_they_are(values: list[object], dtype: pl.DataType, kind: ValueType, expected: list[object]):
    column = property_of(with_ids(x=pl.Series(values, dtype=dtype)))
    assert (column.name, column.dtype) == (Field("property", "x", kind).column, kind.dtype)
    assert column.to_list() == expected


@pytest.mark.parametrize(
    ("clock", "instant"),
    [
        (datetime(2026, 3, 29, 2, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 7, 1, 2, 30, tzinfo=UTC), datetime(2026, 7, 1, 0, 30, tzinfo=UTC)),
    ],
    ids=["skipped", "twice", "plain"],
)
def test_naive_timestamps_are_wall_clocks_of_the_sources_zone(clock: datetime, instant: datetime):
    assert property_of(with_ids(x=[clock.replace(tzinfo=None)]), timezone="Europe/Berlin").to_list() == [instant]


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("values", "dtype", "reason", "shown"),
    [
        ([1.0, float("nan")], None, Reason.NOT_FINITE, "nan"),
        ([1.0, float("-inf")], None, Reason.NOT_FINITE, "-inf"),
        ([[1.0], [float("inf")]], None, Reason.NOT_FINITE, '["inf"]'),
        ([b"ok", b"\xff"], None, Reason.INVALID_TEXT, "\\xff"),
        ([[b"ok"], [b"\xff"]], None, Reason.INVALID_TEXT, '["\\\\xff"]'),
        ([1, 2**63], pl.UInt64(), Reason.CONTRADICTS_TYPE, str(2**63)),
        ([1, 2**70], pl.Int128(), Reason.CONTRADICTS_TYPE, str(2**70)),
    ],
)
def test_a_value_that_cannot_be_refuses_its_row_alone(
    values: list[object], dtype: pl.DataType | None, reason: Reason, shown: str
):
    result = normalised(with_ids(x=pl.Series(values, dtype=dtype)))
    assert reasons(result) == [("id1", reason, "x", shown)]
    assert result.frame["clevertapId"].to_list() == ["id0"]


@pytest.mark.req("P22", "B6")
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ValueType.INTEGER, ["x", None]),
        (ValueType.STRING, [1, None]),
        (ValueType.BOOLEAN, [1, None]),
        (ValueType.INTEGER, [True, None]),
        (ValueType.DATE, [datetime(2026, 1, 1, tzinfo=UTC), None]),
        (ValueType.STRING, [["a"], None]),
    ],
)
def test_a_value_that_contradicts_the_known_type_refuses_its_row_alone(kind: ValueType, values: list[object]):
    result = normalised(with_ids(x=values), known(x=kind))
    assert [row[:3] for row in reasons(result)] == [("id0", "contradicts_type", "x")]
    assert result.frame["clevertapId"].to_list() == ["id1"]


@pytest.mark.req("P22")
@pytest.mark.parametrize(
    ("kind", "values", "column", "expected"),
    [
        (ValueType.INTEGER, [1.5], "pf_x", [1.5]),
        (ValueType.FLOAT64, [1], "pf_x", [1.0]),
        (ValueType.FLOAT32, [0.1], "pf_x", [0.1]),
        (ValueType.FLOAT32, [1], "pf_x", [1.0]),
    ],
)
def test_lossless_widening_is_drift(kind: ValueType, values: list[object], column: str, expected: list[object]):
    result = normalised(with_ids(x=values), known(x=kind))
    assert result.quarantined.is_empty()
    assert result.frame[column].to_list() == expected


@pytest.mark.req("P22")
def test_an_integer_that_a_float_cannot_hold_is_refused_in_a_float_field():
    result = normalised(with_ids(x=[2**53, 2**53 + 1, -(2**53) - 1]), known(x=ValueType.FLOAT64))
    assert result.frame["pf_x"].to_list() == [float(2**53)]
    assert [row[0] for row in reasons(result)] == ["id1", "id2"]


@pytest.mark.req("P22")
def test_a_float_does_not_widen_integers_of_the_partition_that_a_float_cannot_hold():
    normaliser = Normaliser(declared(), SourceSchema())
    normaliser.normalise(RawBatch(with_ids(x=[2**53 + 1])))
    assert reasons(normaliser.normalise(RawBatch(with_ids(x=[1.5])))) == [("id0", "contradicts_type", "x", "1.5")]


def test_a_field_may_widen_between_two_batches():
    normaliser = Normaliser(declared(), SourceSchema())
    frames = [normaliser.normalise(RawBatch(with_ids(x=values))).frame for values in ([1], [1.5], [2])]
    assert [frame.columns[-2] for frame in frames] == ["pi_x", "pf_x", "pf_x"]
    assert normaliser.present == (Field("property", "x", ValueType.FLOAT64),)


def test_the_types_of_a_batch_hold_for_the_next():
    normaliser = Normaliser(declared(), SourceSchema())
    normaliser.normalise(RawBatch(with_ids(x=["a"])))
    assert reasons(normaliser.normalise(RawBatch(with_ids(x=[1])))) == [("id0", "contradicts_type", "x", "1")]


@pytest.mark.req("P22")
def test_present_names_every_column_in_source_order_with_nulls_alone_as_unknown():
    frame = pl.DataFrame({"Plan": ["a"], "plan": [None], "MSG-push": [True], "clevertapId": ["x"], "h": [1]})
    normaliser = Normaliser(declared(), known(plan=ValueType.INTEGER))
    normaliser.normalise(RawBatch(frame))
    assert normaliser.present == (
        Field("property", "Plan", ValueType.STRING),
        Field("property", "plan", ValueType.UNKNOWN),
        Field("preference", "MSG-push", ValueType.BOOLEAN),
        Field("property", "h", ValueType.INTEGER),
    )


def test_a_refused_row_gives_its_field_no_type():
    normaliser = Normaliser(declared(), SourceSchema())
    normaliser.normalise(RawBatch(pl.DataFrame({"clevertapId": [""], "x": ["text"]})))
    assert reasons(normaliser.normalise(RawBatch(with_ids(x=[1])))) == []


def mixed(**variants: list[object]) -> RawBatch:
    """A batch whose column x holds values of several types."""
    names = [f"x{place}" for place in range(1, len(variants))]
    frame = with_ids(**dict(zip(["x", *names], variants.values(), strict=True)))
    return RawBatch(frame, variants={"x": tuple(names)})


def test_of_several_types_in_a_batch_the_commonest_is_the_fields():
    result = Normaliser(declared(), SourceSchema()).normalise(mixed(a=["n/a", None, None], b=[None, 1, 2]))
    assert result.frame["pi_x"].to_list() == [1, 2]
    assert reasons(result) == [("id0", "contradicts_type", "x", "n/a")]


def test_integers_and_floats_in_a_batch_are_floats():
    result = Normaliser(declared(), SourceSchema()).normalise(mixed(a=[1, None], b=[None, 1.5]))
    assert result.frame["pf_x"].to_list() == [1.0, 1.5]


def test_the_known_type_goes_before_the_commonest():
    batch = mixed(a=["n/a", None, None], b=[None, 1, 2])
    result = Normaliser(declared(), known(x=ValueType.STRING)).normalise(batch)
    assert result.frame["ps_x"].to_list() == ["n/a"]


def test_an_identity_may_be_text_in_one_row_and_a_list_in_the_next():
    frame = with_ids(identity=["a", None], more=[None, ["b", "c"]])
    result = Normaliser(declared(), SourceSchema()).normalise(RawBatch(frame, variants={"identity": ("more",)}))
    assert result.frame["identity"].to_list() == [["a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (ValueType.BOOLEAN, ["true", " FALSE ", "1", "0", ""], [True, False, True, False, None]),
        (ValueType.INTEGER, ["7", " -7 ", "", None], [7, -7, None, None]),
        (ValueType.FLOAT64, ["1", "1e3", "-.5"], [1.0, 1000.0, -0.5]),
        (ValueType.DATE, ["2026-11-18"], [date(2026, 11, 18)]),
        (ValueType.TIMESTAMP, ["2026-11-18T00:00:00Z"], [datetime(2026, 11, 18, tzinfo=UTC)]),
        (ValueType.STRINGS, ['["a","b"]', "[a,b]", "a", ""], [["a", "b"], ["a", "b"], ["a"], None]),
        (ValueType.STRING, [" a ", ""], [" a ", ""]),
    ],
)
def test_declared_types_read_text(kind: ValueType, texts: list[str], expected: list[object]):
    column = property_of(with_ids(x=texts), types={"x": kind})
    assert (column.dtype, column.to_list()) == (kind.dtype, expected)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ValueType.BOOLEAN, ["yes"]),
        (ValueType.INTEGER, ["1.5"]),
        (ValueType.INTEGER, [1.5]),
        (ValueType.INTEGER, [str(2**63)]),
        (ValueType.FLOAT64, ["one"]),
        (ValueType.DATE, ["18.11.2026"]),
        (ValueType.DATE, [datetime(2026, 1, 1, 12, tzinfo=UTC)]),
        (ValueType.TIMESTAMP, ["noon"]),
        (ValueType.STRINGS, [1]),
    ],
)
def test_a_value_that_the_declared_type_cannot_hold_is_refused(kind: ValueType, values: list[object]):
    result = normalised(with_ids(x=values), types={"x": kind})
    assert [row[1:3] for row in reasons(result)] == [("contradicts_type", "x")]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (ValueType.STRING, [7], ["7"]),
        (ValueType.STRING, [True], ["true"]),
        (ValueType.STRING, [["a"]], ['["a"]']),
        (ValueType.STRING, [datetime(2026, 1, 1, tzinfo=UTC)], ["2026-01-01T00:00:00Z"]),
        (ValueType.INTEGER, [7.0], [7]),
        (ValueType.BOOLEAN, [1], [True]),
        (ValueType.FLOAT64, [7], [7.0]),
        (ValueType.TIMESTAMP, [1_793_491_200], [datetime(2026, 11, 1, tzinfo=UTC)]),
        (ValueType.TIMESTAMP, [date(2026, 11, 1)], [datetime(2026, 11, 1, tzinfo=UTC)]),
        (ValueType.DATE, [datetime(2026, 11, 1, tzinfo=UTC)], [date(2026, 11, 1)]),
    ],
)
def test_declared_types_convert_typed_values(kind: ValueType, values: list[object], expected: list[object]):
    assert property_of(with_ids(x=values), types={"x": kind}).to_list() == expected


@pytest.mark.req("B6")
def test_a_quarantined_row_is_kept_whole_with_its_place():
    frame = with_ids(x=[1.5, float("nan")], Name=["a", 'é"'])
    batch = RawBatch(frame, origin="day.parquet", numbers=pl.Series([4, 5], dtype=pl.UInt64))
    row = Normaliser(declared(), SourceSchema()).normalise(batch).quarantined.row(0, named=True)
    assert (json.loads(row["row"]), row["place"]) == ({"clevertapId": "id1", "x": "nan", "Name": 'é"'}, "day.parquet:5")


@pytest.mark.req("B1", "B6")
def test_a_row_with_several_offending_values_is_refused_once():
    assert len(reasons(normalised(with_ids(x=[float("nan")], y=[float("nan")], updatedAt=["never"])))) == 1


def test_unreadable_rows_of_the_reader_pass_through():
    lost = pl.DataFrame({"reason": ["unreadable"]}).with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in QUARANTINE_SCHEMA if name != "reason"
    )
    batch = RawBatch(with_ids(x=[1]), unreadable=lost.select(QUARANTINE_SCHEMA.keys()))
    assert Normaliser(declared(), SourceSchema()).normalise(batch).quarantined["reason"].to_list() == ["unreadable"]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
COLUMNS = st.sampled_from(["x", "y", "MSG-push", "identity", "deleted", "updatedAt", "instanceId"])


@pytest.mark.req("B1", "B6")
@examples(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(COLUMNS, VALUES), max_size=6), st.sampled_from(list(ValueType)))
def test_every_row_ends_in_the_frame_or_in_quarantine_once(rows: list[dict[str, object]], kind: ValueType):
    ids = [f"id{place}" for place in range(len(rows))]
    kinds = {(name, type(value)) for row in rows for name, value in row.items() if value is not None}
    columns = {
        f"{name}\0{of.__name__}": pl.Series([v if type(v := row.get(name)) is of else None for row in rows])
        for name, of in sorted(kinds, key=str)
    }
    variants: dict[str, tuple[str, ...]] = {}
    for column in columns:
        variants[column.split("\0")[0]] = (*variants.get(column.split("\0")[0], ()), column)
    first = {further[0]: name for name, further in variants.items()}
    frame = pl.DataFrame({"clevertapId": pl.Series(ids, dtype=pl.String), **columns}).rename(first)
    batch = RawBatch(frame, variants={name: further[1:] for name, further in variants.items()})
    result = Normaliser(declared(), known(x=kind)).normalise(batch)
    assert sorted([*result.frame["clevertapId"], *result.quarantined["clevertapId"]]) == sorted(ids)
