"""Column lineage as people see it: a drawing and a Markdown table, for Dagit's open-source pages show neither.

Fields of the source stand left, columns of the export right, a line for each field that a column comes from; columns
that are renamed or made of several fields are blue.
"""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.plot import image

DRAWN_COLUMNS = 60
_ROW, _LEFT, _RIGHT, _WIDTH = 20, 190, 330, 560
_SHOWN_CHARACTERS = 30
_PLAIN, _MADE = "#888", "#4f7cff"


def lineage_markdown(plan: ColumnPlan, fields: Mapping[str, Sequence[str]], source: str) -> str:
    """The drawing, then the table; `fields` is `core.lineage.lineage` of the plan, `source` the source's asset."""
    shown = plan.columns[:DRAWN_COLUMNS]
    left_out = len(plan.columns) - len(shown)
    note = f"\n\n… and {left_out} more columns, each of the property of its name\n" if left_out else "\n"
    drawing = image(_svg([(column, fields[column.header]) for column in shown]), "Column lineage")
    rows = [
        f"| {_cell(column.header)} | {', '.join(_cell(name) for name in fields[column.header])} | {_how(column)} |"
        for column in shown
    ]
    return "\n".join([drawing, "", f"| column | from {source} | how |", "| --- | --- | --- |", *rows]) + note


def _svg(columns: Sequence[tuple[OutputColumn, Sequence[str]]]) -> str:
    places = {name: place for place, name in enumerate(dict.fromkeys(n for _, names in columns for n in names))}
    height = max(len(places), len(columns)) * _ROW + 8
    fields = "".join(_text(_LEFT - 8, place, name, "end", _PLAIN) for name, place in places.items())
    headers = "".join(
        _text(_RIGHT + 8, place, column.header, "start", _colour(column)) for place, (column, _) in enumerate(columns)
    )
    lines = "".join(
        _line(places[name], place, _colour(column)) for place, (column, names) in enumerate(columns) for name in names
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">'
        f"<title>Column lineage</title>{lines}{fields}{headers}</svg>"
    )


def _line(start: int, end: int, colour: str) -> str:
    """A curve from a field to a column, with a dot at both ends."""
    y, to, middle = _middle(start), _middle(end), (_LEFT + _RIGHT) // 2
    return (
        f'<path d="M{_LEFT} {y}C{middle} {y} {middle} {to} {_RIGHT} {to}" fill="none" stroke="{colour}"/>'
        f'<circle cx="{_LEFT}" cy="{y}" r="2.5" fill="{colour}"/>'
        f'<circle cx="{_RIGHT}" cy="{to}" r="2.5" fill="{colour}"/>'
    )


def _text(x: int, place: int, name: str, anchor: str, colour: str) -> str:
    short = name if len(name) <= _SHOWN_CHARACTERS else f"{name[: _SHOWN_CHARACTERS - 1]}…"
    style = f"font:11px sans-serif;fill:{colour}"
    shown = escape(_printable(short))
    return f'<text x="{x}" y="{_middle(place) + 4}" text-anchor="{anchor}" style="{style}">{shown}</text>'


def _middle(place: int) -> int:
    return place * _ROW + _ROW // 2 + 4


def _colour(column: OutputColumn) -> str:
    return _PLAIN if _how(column) == "as it is" else _MADE


def _how(column: OutputColumn) -> str:
    renamed = "" if column.header == column.name else ", renamed"
    match column.role:
        case "identity":
            how = "all that there are, in this order" if column.is_list else "the first that there is, in this order"
            return f"{how}{renamed}"
        case "all_identities":
            return f"all that there are{renamed}"
        case _:
            return "renamed" if renamed else "as it is"


def _cell(name: str) -> str:
    """A code span, in which a name's own marks mean nothing."""
    return f"`{_printable(name).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _printable(name: str) -> str:
    """A name as XML and a table's line can hold it."""
    return "".join(letter if letter.isprintable() else " " for letter in name)
