"""What lies where in JSON texts, against the standard library, whatever they hold."""

import json
from collections.abc import Iterator

import polars as pl
import pytest
from event_strategies import OBJECTS, Json, compact
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.events.json_spans import (
    JsonValues,
    Kind,
    column_bytes,
    column_entries,
    list_items,
    scalar_spans,
)
from ctexport_dagster.core.events.maps import key_columns, read_map, with_members
from ctexport_dagster.core.events.text_views import TextViews, texts_from

TEXTS = st.lists(st.none() | OBJECTS, max_size=5)


def column(objects: list[dict[str, Json] | None]) -> pl.Series:
    return pl.Series([None if one is None else compact(one) for one in objects], dtype=pl.String)


def raw(values: JsonValues) -> list[str]:
    return [bytes(values.content[start:end]).decode() for start, end in zip(values.starts, values.ends, strict=True)]


@settings(max_examples=50)
@given(TEXTS)
def test_every_entry_of_a_column_is_found_under_its_row(objects: list[dict[str, Json] | None]) -> None:
    found = column_entries(column(objects))
    expected = [
        (row, compact(key)[1:-1], compact(value))
        for row, one in enumerate(objects)
        for key, value in (one or {}).items()
    ]
    assert expected == list(zip(found.rows.tolist(), raw(found.keys), raw(found.values), strict=True))


@settings(max_examples=50)
@given(st.lists(st.lists(OBJECTS | st.integers() | st.text(max_size=3), max_size=4), max_size=4))
def test_every_item_of_a_list_is_found_under_its_list(lists: list[list[Json]]) -> None:
    content, offsets = column_bytes(pl.Series([compact(one) for one in lists], dtype=pl.String))
    places, items = list_items(JsonValues(content, offsets[:-1], offsets[1:]))
    expected = [(place, compact(item)) for place, one in enumerate(lists) for item in one]
    assert expected == list(zip(places.tolist(), raw(items), strict=True))


def scalars(value: Json) -> Iterator[Json]:
    match value:
        case dict():
            for inner in value.values():
                yield from scalars(inner)
        case list():
            for inner in value:
                yield from scalars(inner)
        case bool() | int() | float():
            yield value
        case _:
            return


@settings(max_examples=50)
@given(TEXTS)
def test_numbers_and_booleans_are_found_at_any_depth(objects: list[dict[str, Json] | None]) -> None:
    content, _ = column_bytes(column(objects))
    starts, ends = scalar_spans(content)
    expected = [compact(one) for row in objects if row for one in scalars(row)]
    assert expected == raw(JsonValues(content, starts, ends))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)))
def test_spans_are_the_texts_that_they_were_cut_from(texts: list[str]) -> None:
    content, offsets = column_bytes(pl.Series(texts, dtype=pl.String))
    assert texts == TextViews.of(content, offsets[:-1], offsets[1:]).series().to_list()
    assert texts == texts_from(content, offsets).to_list()


def test_two_spellings_of_a_key_are_one() -> None:
    found = read_map(pl.Series(['{"a":1}', '{"\\u0061":2}']))
    assert found.names == ("a",)
    assert [values.to_list() for values in key_columns(found, ["a"], 2)] == [["1", "2"]]


def test_a_key_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="1 keys of an event are not among its known ones, the first is b"):
        key_columns(read_map(pl.Series(['{"a":1,"b":2}'])), ["a"], 1)


def test_a_null_that_hides_bytes_has_no_entries() -> None:
    texts = pl.Series("t", ['{"a":1}', '{"b":2}']).to_frame().select(pl.when(pl.col("t") != '{"a":1}').then("t"))["t"]
    assert [(row, "b") for row in column_entries(texts).rows.tolist()] == [(1, "b")]


def test_kinds_are_told_by_the_first_character() -> None:
    found = column_entries(pl.Series(['{"a":null,"b":false,"c":-1,"d":"","e":[],"f":{}}']))
    assert found.values.kinds.tolist() == [Kind.NULL, Kind.BOOLEAN, Kind.NUMBER, Kind.STRING, Kind.LIST, Kind.OBJECT]


@given(OBJECTS, st.dictionaries(st.sampled_from(["x1", "x2"]), st.integers(), max_size=2))
def test_members_are_added_to_an_object(one: dict[str, Json], more: dict[str, Json]) -> None:
    members = "".join(f",{compact(key)}:{value}" for key, value in more.items())
    joined = with_members(pl.Series([compact(one) if one else None], dtype=pl.String), pl.Series([members]))
    assert one | more == json.loads(joined[0])
