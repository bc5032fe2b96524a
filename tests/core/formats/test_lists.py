"""Lists as texts, and what needs an escape in them."""

import json
from xml.sax.saxutils import unescape

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.formats.escapes import JSON, XML
from ctexport_dagster.core.formats.lists import bracketed, json_arrays
from ctexport_dagster.core.schema import STRINGS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def lists(*values: list[str | None] | None) -> pl.Series:
    return pl.Series("tags", values, dtype=STRINGS)


@pytest.mark.req("P13", "P29")
def test_a_json_array_keeps_empty_lists_empty_texts_and_missing_lists_apart() -> None:
    assert json_arrays(lists(["a", "b"], [], [""], None)).to_list() == ['["a","b"]', "[]", '[""]', None]


def test_nulls_within_a_list_are_left_out() -> None:
    assert json_arrays(lists([None, "a"], [None])).to_list() == ['["a"]', "[]"]
    assert bracketed(lists([None, "a"], [None])).to_list() == ["[a]", "[]"]


@pytest.mark.req("P15", "P28")
def test_brackets_hold_the_values_as_they_are() -> None:
    assert bracketed(lists(["a", "b", '"c,d"'], [], [""], None)).to_list() == ['[a,b,"c,d"]', "[]", "[]", None]


@given(st.lists(st.none() | st.lists(TEXT, max_size=4), min_size=1, max_size=5))
@pytest.mark.req("P32")
def test_a_json_array_reads_back(values: list[list[str] | None]) -> None:
    texts = json_arrays(pl.Series("tags", values, dtype=STRINGS)).to_list()
    assert values == [None if text is None else json.loads(text) for text in texts]


@given(st.lists(st.none() | TEXT, min_size=1, max_size=8), st.integers(0, 7))
@pytest.mark.req("P27", "P32")
def test_a_column_of_texts_is_escaped_as_each_of_them(texts: list[str | None], offset: int) -> None:
    column = pl.Series("name", texts, dtype=pl.String).slice(offset)
    expected = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in texts[offset:]]
    assert expected == JSON.column(column).to_list()
    assert expected == [None if text is None else JSON.text(text) for text in texts[offset:]]


@given(TEXT)
@pytest.mark.req("P28")
def test_xml_escapes_keep_every_character_that_xml_allows(text: str) -> None:
    allowed = "".join("?" if (c < " " and c not in "\t\n\r") or c in "\ufffe\uffff" else c for c in text)
    assert allowed == unescape(XML.text(text), {"&#13;": "\r"})
