"""Path templates: text with `{{Variables}}` in it, parsed once, checked before anything runs, rendered purely.

    variable       example                  what it stands for
    Account-id     100000000                the account, as declared
    Export-id      1761651721               the export's configuration id
    Timestamp      1793577600               the scheduled run instant, in epoch seconds
    Instance-id    0                        the instance (shard) whose rows the file holds
    Date           2026-11-02               the scheduled run's day in the export's time zone
    Partition      2026-11-01               the partition's key
    Run-id         0d3c…-…                  the Dagster run (a re-run has another one)
    Export-time    202611020000             the scheduled run instant, to the minute, in UTC
    Year … Minute  2026 11 02 00 00         Year, Month, Day, Hour, Minute: its parts, in the export's time zone
    Destination-name  acme_s3               the destination, as its file is called
    Event-name     Charged                  the event, in exports of events
    Event-day      20261101                 the day on which it happened, in the export's time zone
    Dataset-name   orders                   the dataset, in exports of datasets
    Dataset-id     65f1a2                   its id, as the source declares it, else its name
    Index          0                        the file's number within its instance, from 0

A template's own text may hold `A-Z a-z 0-9 - _`, and `/` between sub-folders. Source: REQUIREMENTS P5, P32, A6.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property


class Variable(StrEnum):
    """What may stand between `{{` and `}}`, in any case of letters."""

    ACCOUNT_ID = "Account-id"
    EXPORT_ID = "Export-id"
    TIMESTAMP = "Timestamp"
    INSTANCE_ID = "Instance-id"
    DATE = "Date"
    PARTITION = "Partition"
    RUN_ID = "Run-id"
    EXPORT_TIME = "Export-time"
    YEAR = "Year"
    MONTH = "Month"
    DAY = "Day"
    HOUR = "Hour"
    MINUTE = "Minute"
    DESTINATION_NAME = "Destination-name"
    EVENT_NAME = "Event-name"
    EVENT_DAY = "Event-day"
    DATASET_NAME = "Dataset-name"
    DATASET_ID = "Dataset-id"
    INDEX = "Index"
    PART = "Part"
    """The index in five digits: of presets alone, as is the next."""
    UNIQUE = "Unique"
    """32 hexadecimal digits that tell the partition of one export, and one dataset of it, from every other."""

    @property
    def placeholder(self) -> str:
        return f"{{{{{self.value}}}}}"


_VARYING: Mapping[Variable, str] = {
    Variable.INSTANCE_ID: "[0-9]",
    Variable.INDEX: "[0-9]",
    Variable.PART: "[0-9]",
    Variable.EVENT_NAME: "[^/]",
    Variable.DATASET_NAME: "[A-Za-z0-9_]",
    Variable.DATASET_ID: "[A-Za-z0-9_-]",
}
"""The variables whose values differ in length within one export, and of what they consist; all others keep theirs
(Timestamp: ten digits from September 2001 on)."""

_PIECE = re.compile(
    r"\{\{\s*(?P<variable>[^{}]*?)\s*\}\}|(?P<text>[A-Za-z0-9_-]+)|(?P<slash>/)|(?P<other>.)", re.DOTALL
)


class TemplateError(ValueError):
    """A template can't be used; `position` is the 1-based character at which it goes wrong."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        super().__init__(f"{reason} (at character {position})")


@dataclass(frozen=True)
class Text:
    """A template's own text, `/` included; `position` is that of its first character, counted from 1."""

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Placeholder:
    """A variable in a template."""

    variable: Variable
    position: int = field(default=0, compare=False)


Piece = Text | Placeholder


@dataclass(frozen=True)
class Template:
    """A parsed template: its pieces from left to right, neighbouring texts joined."""

    pieces: tuple[Piece, ...]

    @cached_property
    def variables(self) -> frozenset[Variable]:
        return frozenset(piece.variable for piece in self.pieces if isinstance(piece, Placeholder))

    @property
    def segments(self) -> list["Template"]:
        """The folders (and file) that `/` separates."""
        segments: list[list[Piece]] = [[]]
        for piece in self.pieces:
            if isinstance(piece, Placeholder):
                segments[-1].append(piece)
                continue
            for number, text in enumerate(piece.text.split("/")):
                if number:
                    segments.append([])
                if text:
                    segments[-1].append(Text(text, piece.position))
        return [Template(tuple(segment)) for segment in segments]

    def __add__(self, other: "Template") -> "Template":
        return joined((*self.pieces, *other.pieces))

    def render(self, values: Mapping[Variable, str]) -> str:
        """The path, each value made safe to stand in one."""
        return "".join(
            piece.text if isinstance(piece, Text) else safe_in_path(values[piece.variable]) for piece in self.pieces
        )

    def filled(self, values: Mapping[Variable, str]) -> "Template":
        """The template with these variables replaced by their values."""
        return joined(
            Text(safe_in_path(values[piece.variable]), piece.position)
            if isinstance(piece, Placeholder) and piece.variable in values
            else piece
            for piece in self.pieces
        )

    def ambiguity(self) -> Placeholder | None:
        """A variable whose value can't be told from its neighbours' once rendered; None where every one can.

        Reading from the left, a value of unknown length ends where a character comes that it can't hold; reading
        from the right, likewise; and a single one left over is what the known lengths leave. Otherwise
        `{{Instance-id}}{{Index}}` gives 111 for 1 and 11 and for 11 and 1: two files, one key.
        """
        varying = [n for n, piece in enumerate(self.pieces) if _varies(piece)]
        left = next((n for n in varying if not self._is_delimited(n, n + 1)), None)
        right = next((n for n in reversed(varying) if not self._is_delimited(n, n - 1)), None)
        if left is None or right is None or left >= right:
            return None
        piece = self.pieces[left]
        return piece if isinstance(piece, Placeholder) else None

    def _is_delimited(self, at: int, beside: int) -> bool:
        """Whether the piece beside a varying one begins with a character that the value can't hold."""
        if not 0 <= beside < len(self.pieces):
            return True
        piece, neighbour = self.pieces[at], self.pieces[beside]
        if isinstance(neighbour, Placeholder) or isinstance(piece, Text):
            return False
        return re.match(_VARYING[piece.variable], neighbour.text[0 if beside > at else -1]) is None


def joined(pieces: Iterable[Piece]) -> Template:
    """A template of these pieces."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, Text) and isinstance(last, Text):
            merged[-1] = Text(last.text + piece.text, last.position)
        else:
            merged.append(piece)
    return Template(tuple(merged))


def parse_template(text: str, allowed: Collection[Variable], signs: str = "") -> Template:
    """Parses a template's text; `signs` are further characters that it may hold.

    Raises:
        TemplateError: an unknown variable, an empty segment, `..`, or a character that may not stand in a path.
    """
    if not text:
        raise TemplateError(1, "the template is empty")
    pieces: list[Piece] = []
    for match in _PIECE.finditer(text):
        position = match.start() + 1
        if match["other"] is not None and match["other"] not in signs:
            raise TemplateError(position, _complaint(text, match.start()))
        if match["variable"] is not None:
            pieces.append(Placeholder(_variable(match["variable"], position, allowed), position))
        else:
            pieces.append(Text(match[0], position))
    _refuse_empty_segments(pieces, len(text))
    return joined(tuple(pieces))


def safe_in_path(value: str) -> str:
    """A value as it stands in a path: white space, slash and NUL as `-`, control characters as `?`; never `..`.

    Source: REQUIREMENTS P32. A value of dots alone, or none, would name another folder or an empty one.
    """
    if not value.strip("."):
        return "-" * max(1, len(value))
    return "".join(_safe_character(character) for character in value)


def _safe_character(character: str) -> str:
    if character.isspace() or character in "/\0":
        return "-"
    return "?" if unicodedata.category(character) == "Cc" else character


def _variable(name: str, position: int, allowed: Collection[Variable]) -> Variable:
    by_name = {variable.lower(): variable for variable in Variable}
    variable = by_name.get(name.lower())
    if variable is not None and variable in allowed:
        return variable
    if variable is not None:
        raise TemplateError(position, f"{variable.placeholder} has no value in this kind of export")
    usable = {variable.lower(): variable for variable in allowed}
    close = get_close_matches(name.lower().replace("_", "-"), usable, n=1)
    hint = (
        f"did you mean {usable[close[0]].placeholder}?"
        if close
        else "the variables are " + " ".join(variable.placeholder for variable in Variable if variable in allowed)
    )
    raise TemplateError(position, f"unknown variable {{{{{name}}}}}; {hint}")


def _complaint(text: str, at: int) -> str:
    if text.startswith("..", at):
        return ".. would leave the folder"
    if text[at] in "{}":
        return "a brace that belongs to no variable; write variables as {{Date}}"
    return f"{text[at]!r} may not stand in a path; use A-Z a-z 0-9 - _ and / between folders"


def _refuse_empty_segments(pieces: list[Piece], length: int) -> None:
    follows_slash = True
    for piece in pieces:
        is_slash = isinstance(piece, Text) and piece.text == "/"
        if is_slash and follows_slash:
            raise TemplateError(piece.position, "an empty folder name; write no / at the start and none twice")
        follows_slash = is_slash
    if follows_slash:
        raise TemplateError(length, "an empty name after the last /; leave the / out")


def _varies(piece: Piece) -> bool:
    return isinstance(piece, Placeholder) and piece.variable in _VARYING
