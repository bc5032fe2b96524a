"""A bar chart as one line of Markdown: a small SVG within a data URI, which Dagit shows without any network."""

from base64 import b64encode
from collections.abc import Sequence
from xml.sax.saxutils import escape

SHOWN_BARS = 30
_BAR, _GAP, _HEIGHT, _LABELS = 18, 4, 80, 46
_STYLE = "font:9px sans-serif;fill:#888"


def bar_chart_svg(bars: Sequence[tuple[str, int]], title: str = "Rows per partition") -> str:
    """A Markdown image of the last thirty bars, each a label (a partition's key) and a count; empty for none.

    The largest count fills the height and is written above its bar; every bar says its own when pointed at.
    """
    if not bars:
        return ""
    image = b64encode(_svg(bars[-SHOWN_BARS:], title).encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{image})"


def _svg(bars: Sequence[tuple[str, int]], title: str) -> str:
    largest = max(count for _, count in bars)
    width = max(len(bars) * (_BAR + _GAP) + _LABELS, 160)
    drawn = "".join(_bar(place, label, count, largest) for place, (label, count) in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + _LABELS + 14}">'
        f"<title>{escape(title)}</title>{drawn}"
        f'<text x="0" y="9" style="{_STYLE}">{largest:,}</text></svg>'
    )


def _bar(place: int, label: str, count: int, largest: int) -> str:
    """One bar with its tooltip and its slanted label; a count above none is at least a pixel high."""
    height = max(round(count * _HEIGHT / largest), 1) if count else 0
    x, top = place * (_BAR + _GAP), 14 + _HEIGHT - height
    name = escape(label)
    return (
        f'<rect x="{x}" y="{top}" width="{_BAR}" height="{height}" fill="#4f7cff">'
        f"<title>{name}: {count:,}</title></rect>"
        f'<text x="{x}" y="{_HEIGHT + 26}" transform="rotate(35 {x} {_HEIGHT + 26})" style="{_STYLE}">{name}</text>'
    )
