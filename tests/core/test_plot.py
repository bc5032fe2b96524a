"""The bar chart: Markdown that holds a well-formed SVG, short enough for Dagit to show it in place."""

import re
from base64 import b64decode
from xml.etree import ElementTree

import pytest

from ctexport_dagster.core.plot import SHOWN_BARS, Bar, bar_chart

SVG = "{http://www.w3.org/2000/svg}"
SHOWN_IN_PLACE = 1000
"""Dagit's own limit, in characters."""
BLUE, GREY = "#4f7cff", "#a9b4cc"


def drawn(bars: list[Bar]) -> ElementTree.Element:
    head, _, rest = bar_chart(bars).partition("base64,")
    assert head == "![Rows per partition](data:image/svg+xml;"
    return ElementTree.fromstring(b64decode(rest.partition(")")[0]))


def heights(bars: list[Bar], colour: str = BLUE) -> list[int]:
    (path,) = (path for path in drawn(bars).iter(f"{SVG}path") if path.get("stroke") == colour)
    return [int(base) - int(top) for base, top in re.findall(r"M\d+ (\d+)V(\d+)", path.get("d") or "")]


def changes(*rows: int) -> list[Bar]:
    return [Bar(f"2026-11-{day:02}", count) for day, count in enumerate(rows, start=1)]


def test_the_largest_count_fills_the_height_and_the_others_their_share():
    assert heights(changes(50, 200, 0, 1)) == [22, 90, 1]


def test_a_full_partition_that_towers_over_the_increments_is_cut_and_leaves_them_their_scale():
    bars = [Bar("2026-10-31", 100_000, is_full=True), *changes(50, 100)]
    assert (heights(bars), heights(bars, GREY)) == ([45, 90], [90])
    assert [bool(path.get("stroke-dasharray")) for path in drawn(bars).iter(f"{SVG}path")] == [False, True]


def test_a_full_partition_of_a_like_size_shares_the_scale():
    bars = [Bar("2026-10-31", 200, is_full=True), *changes(100)]
    assert (heights(bars), heights(bars, GREY)) == ([45], [90])
    assert [path.get("stroke-dasharray") for path in drawn(bars).iter(f"{SVG}path")] == [None, None]


def test_the_caption_tells_the_counts_by_kind():
    caption = bar_chart([Bar("2026-10-31", 100_000, is_full=True), *changes(50, 1200)]).splitlines()[-1]
    assert caption == "increments (blue): 50 to 1,200 rows · everything (grey): 100,000 rows"


def test_bars_of_one_kind_are_counted_without_a_word_for_it():
    assert bar_chart(changes(50, 1200)).splitlines()[-1] == "50 to 1,200 rows a partition"


def test_the_last_of_two_bars_stands_where_its_label_begins():
    chart = drawn(changes(50, 100))
    (path,) = chart.iter(f"{SVG}path")
    last = int(re.findall(r"M(\d+)", path.get("d") or "")[-1])
    assert int(chart.get("width") or 0) // 2 <= last < int(chart.get("width") or 0) // 2 + 10


def test_the_last_thirty_bars_are_shown_between_the_first_and_the_last_key():
    bars = [Bar(str(number), number) for number in range(SHOWN_BARS + 5)]
    assert len(heights(bars)) == SHOWN_BARS
    assert [label.text for label in drawn(bars).iter(f"{SVG}text")] == ["5", "34"]


def test_thirty_bars_of_the_longest_keys_are_shown_in_place():
    bars = [Bar("2026-11-01T0600Z", 987_654_321 - number, is_full=number % 2 == 0) for number in range(SHOWN_BARS)]
    assert len(bar_chart(bars, "Rows that the export sends")) < SHOWN_IN_PLACE


@pytest.mark.parametrize("rows", [[0], [0, 0]])
def test_bars_of_nothing_draw_nothing(rows: list[int]):
    assert list(drawn(changes(*rows)).iter(f"{SVG}path")) == []


def test_no_bars_are_no_chart():
    assert bar_chart([]) == ""
