"""The bar chart: one line of Markdown that holds a well-formed SVG."""

from base64 import b64decode
from xml.etree import ElementTree

import pytest

from ctexport_dagster.core.plot import SHOWN_BARS, bar_chart_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(bars: list[tuple[str, int]]) -> ElementTree.Element:
    markdown = bar_chart_svg(bars)
    head, _, image = markdown.partition("base64,")
    assert head == "![Rows per partition](data:image/svg+xml;"
    return ElementTree.fromstring(b64decode(image.removesuffix(")")))


def test_the_largest_count_fills_the_height_and_the_others_their_share():
    heights = [bar.get("height") for bar in drawn([("a", 50), ("b", 200), ("c", 0), ("d", 1)]).iter(f"{SVG}rect")]
    assert heights == ["20", "80", "0", "1"]


def test_every_bar_says_its_label_and_count():
    titles = [bar.findtext(f"{SVG}title") for bar in drawn([("2026-11-01", 1234), ("<&>", 2)]).iter(f"{SVG}rect")]
    assert titles == ["2026-11-01: 1,234", "<&>: 2"]


def test_the_last_thirty_bars_are_shown():
    bars = [(str(number), number) for number in range(SHOWN_BARS + 5)]
    assert next(label.text for label in drawn(bars).iter(f"{SVG}text")) == "5"


@pytest.mark.parametrize("bars", [[("a", 0)], [("a", 0), ("b", 0)]])
def test_bars_of_nothing_are_flat(bars: list[tuple[str, int]]):
    assert {bar.get("height") for bar in drawn(bars).iter(f"{SVG}rect")} == {"0"}


def test_no_bars_are_no_chart():
    assert bar_chart_svg([]) == ""
