"""A bar chart as Markdown: a small SVG within a data URI, which Dagit shows without any network, and its caption.

Dagit shows Markdown of up to a thousand characters in place, and anything longer behind a link; so all bars of one
colour are one path, and labels are few. A picture can't be pointed at: what counts stands in the caption.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_BARS = 30
_STEP, _BAR, _HEIGHT, _LABELS, _LETTER = 14, 10, 90, 14, 7
_CHANGES, _FULL = "#4f7cff", "#a9b4cc"
_CUT = 'stroke-dasharray="60 3 3 3 99"'
_TOWERING = 4
"""A full partition that is so many times the largest increment would leave the increments flat: its bar is cut."""


@dataclass(frozen=True)
class Bar:
    """One partition: its key, its rows, and whether it holds everything rather than an increment."""

    label: str
    rows: int
    is_full: bool = False


def bar_chart(bars: Sequence[Bar], title: str = "Rows per partition") -> str:
    """Markdown of the last thirty bars; empty for none.

    The largest bar fills the height. Where full partitions tower over the increments, the increments set the scale and
    the full ones are cut, which two gaps in their bars tell.
    """
    shown = bars[-SHOWN_BARS:]
    return f"{image(_svg(shown), title)}\n\n{_caption(shown)}" if shown else ""


def image(svg: str, title: str) -> str:
    """An SVG as a Markdown image that carries its own bytes."""
    return f"![{title}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _svg(bars: Sequence[Bar]) -> str:
    scale = _scale(bars)
    is_cut = max(bar.rows for bar in bars) > scale
    labels = len(bars[0].label) + len(bars[-1].label) if len(bars) > 1 else len(bars[0].label)
    width = max(len(bars) * _STEP, labels * _LETTER)
    base = _HEIGHT + _LABELS
    step = width // len(bars)  # wider than usual for few bars, else the last label stands far from its bar
    paths = _path(bars, scale, step, _CHANGES, is_full=False)
    paths += _path(bars, scale, step, _FULL, is_full=True, is_cut=is_cut)
    last = f'<text x="{width}" y="{base}" text-anchor="end">{bars[-1].label}</text>' if len(bars) > 1 else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{base + 4}">{paths}'
        f'<g style="font:10px sans-serif;fill:#888"><text y="{base}">{bars[0].label}</text>{last}</g></svg>'
    )


def _scale(bars: Sequence[Bar]) -> int:
    """The count that fills the height."""
    changes = max((bar.rows for bar in bars if not bar.is_full), default=0)
    largest = max(bar.rows for bar in bars)
    return changes if changes and largest > _TOWERING * changes else largest


def _path(bars: Sequence[Bar], scale: int, step: int, colour: str, *, is_full: bool, is_cut: bool = False) -> str:
    """All bars of one colour; a count above none is at least a pixel high."""
    strokes = "".join(
        f"M{place * step + _BAR // 2} {_HEIGHT}V{_HEIGHT - min(max(round(bar.rows * _HEIGHT / scale), 1), _HEIGHT)}"
        for place, bar in enumerate(bars)
        if bar.rows and bar.is_full == is_full
    )
    cut = f" {_CUT}" if is_cut else ""
    return f'<path d="{strokes}" stroke="{colour}" stroke-width="{_BAR}"{cut}/>' if strokes else ""


def _caption(bars: Sequence[Bar]) -> str:
    """The least and the most rows; of each kind, with its colour, where there are both."""
    kinds = [("increments", "blue", False), ("everything", "grey", True)]
    counts = [(what, colour, [bar.rows for bar in bars if bar.is_full == full]) for what, colour, full in kinds]
    told = [(what, colour, rows) for what, colour, rows in counts if rows]
    if len(told) == 1:
        return f"{_range(told[0][2])} rows a partition"
    return " · ".join(f"{what} ({colour}): {_range(rows)} rows" for what, colour, rows in told)


def _range(rows: Sequence[int]) -> str:
    return f"{rows[0]:,}" if min(rows) == max(rows) else f"{min(rows):,} to {max(rows):,}"
