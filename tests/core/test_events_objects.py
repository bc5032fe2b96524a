"""The maps of events as JSON texts: kept as they are, made compact, or refused with their reason."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.normalise_objects import flaw_of, joined_maps, read_objects
from ctexport_dagster.core.quarantine import Reason


def texts_of(*given: str | None) -> list[str | None]:
    objects = read_objects(pl.Series(given, dtype=pl.String))
    assert objects.refusals == ()
    return objects.texts.to_list()


def refusal_of(text: str) -> Reason | None:
    objects = read_objects(pl.Series(['{"a":1}', text], dtype=pl.String))
    assert objects.texts[0] == '{"a":1}'
    [refusal] = objects.refusals
    assert refusal.rows.to_list() == [False, True]
    assert (objects.texts[1], objects.values[1]) == (None, None)
    return refusal.reason


@pytest.mark.req("P31")
def test_numbers_keep_their_digits_and_texts_their_escapes() -> None:
    text = '{"a":1.10,"b":12345678901234567890123,"c":1E+2,"d":"\\u00e9\\/","e":-0}'
    assert texts_of(text) == [text]


def test_white_space_outside_of_strings_goes() -> None:
    assert texts_of(' {\t"a" : [ 1 , "x , y" ] ,\r\n "b":{ } } ') == ['{"a":[1,"x , y"],"b":{}}']


@pytest.mark.parametrize("text", [None, "", "  ", "null", " null\n", "{}", " { } "])
def test_what_holds_nothing_is_null(text: str | None) -> None:
    assert texts_of(text) == [None]


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a":1,"a":2}', Reason.DUPLICATE_KEY),
        ('{"a":1,"\\u0061":2}', Reason.DUPLICATE_KEY),
        ('{"a":{"b":1,"b":1}}', Reason.DUPLICATE_KEY),
        ('{"a":[{"b":1,"c":{},"b":1}]}', Reason.DUPLICATE_KEY),
        ('{"a" : 1 , "a" : 2}', Reason.DUPLICATE_KEY),
        ('{"a":"\\":", "b":1, "b":2}', Reason.DUPLICATE_KEY),
        ('{"a":NaN}', Reason.NOT_FINITE),
        ('{"a":[-Infinity]}', Reason.NOT_FINITE),
        ('{"a":1e999}', Reason.NOT_FINITE),
        ('{"a":"\\ud800"}', Reason.INVALID_TEXT),
        ('{"\\udc00":1}', Reason.INVALID_TEXT),
        ("[1]", Reason.CONTRADICTS_TYPE),
        ('"text"', Reason.CONTRADICTS_TYPE),
        ("12", Reason.CONTRADICTS_TYPE),
        ('{"a":1', Reason.UNREADABLE),
        ('{"a":1}{"b":2}', Reason.UNREADABLE),
        ('{"a":01}', Reason.UNREADABLE),
        ('{"a":"\t"}', Reason.UNREADABLE),
        ('{"a":"\\x"}', Reason.UNREADABLE),
        ("{'a':1}", Reason.UNREADABLE),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", Reason.UNREADABLE),
        ('{"a":' + "1" * 5_000 + "}", Reason.UNREADABLE),
    ],
    ids=range(22),
)
def test_what_cant_be_kept_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    assert refusal_of(text) == reason


def test_a_colon_behind_a_quote_within_a_value_is_no_key() -> None:
    text = '{"a":"say \\":hi\\":","b\\":c":{"d":"\\":"}}'
    assert texts_of(text) == [text]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=4), max_size=4),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
)
def test_every_object_comes_out_equal_and_compact(
    objects: list[dict[str, object]], indent: int | None, *, is_ascii: bool
) -> None:
    given_texts = [json.dumps(value, indent=indent, ensure_ascii=is_ascii) for value in objects]
    expected = [json.dumps(value, separators=(",", ":"), ensure_ascii=is_ascii) if value else None for value in objects]
    assert texts_of(*given_texts) == expected


@given(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), st.data())
def test_a_key_given_twice_is_found_wherever_it_stands(value: dict[str, object], data: st.DataObject) -> None:
    pairs = [f"{json.dumps(key)}:{json.dumps(item)}" for key, item in value.items()]
    twin = data.draw(st.sampled_from(pairs))
    pairs.insert(data.draw(st.integers(0, len(pairs))), twin)
    assert flaw_of("{" + ",".join(pairs) + "}") == Reason.DUPLICATE_KEY
    assert refusal_of("{" + ",".join(pairs) + "}") == Reason.DUPLICATE_KEY


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ('{"a":1}', ' { "b" : {} } ', '{"a":1,"b" : {}}'),
        ("{}", '{"b":2}', '{"b":2}'),
        ('{"a":1}', "{ }", '{"a":1}'),
        (None, '{"b":2}', '{"b":2}'),
        ('{"a":1}', "null", '{"a":1}'),
        ("", None, None),
    ],
)
def test_two_maps_become_one_with_the_entries_of_both(first: str | None, second: str | None, expected: str) -> None:
    joined = joined_maps(pl.Series([first], dtype=pl.String), pl.Series([second], dtype=pl.String))
    assert joined.to_list() == [expected]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ('{"a":1}', '{"a":1}', Reason.DUPLICATE_KEY),
        ("[1]", '{"a":1}', Reason.UNREADABLE),
        ('{"a":[', "]}", Reason.UNREADABLE),
    ],
)
def test_two_maps_that_cant_be_one_are_refused(first: str, second: str, reason: Reason) -> None:
    [refusal] = read_objects(joined_maps(pl.Series([first]), pl.Series([second]))).refusals
    assert refusal.reason == reason
