"""Edits: how a declaration differs from the one that last ran, and which edits are refused. Source: REQUIREMENTS S8.

What was declared is compared as today's program reads it, so that a new version of ctexport, which knows more settings,
is no edit.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from ctexport_dagster.core.export import DeclaredExport

AnyExport = TypeVar("AnyExport", bound=DeclaredExport)
ABSENT = ""


@dataclass(frozen=True)
class Edit:
    """One setting that differs: its path as `columns.order`, and both values as JSON, empty where it didn't stand."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before or '(nothing)'} → {self.after or '(nothing)'}"


def written(export: DeclaredExport) -> str:
    """A declaration as JSON, to be compared with later ones. No secret stands in an export's declaration."""
    return export.model_dump_json(indent=1)


def read(text: str, like: AnyExport) -> AnyExport | None:
    """The declaration that `written` wrote; None where today's program doesn't take it, or it was of another kind."""
    try:
        return type(like).model_validate_json(text)
    except ValidationError:
        return None


def kind_of(text: str) -> str:
    """The kind that a written declaration had."""
    return str(json.loads(text).get("kind", ""))


def edits(before: DeclaredExport, after: DeclaredExport) -> tuple[Edit, ...]:
    """Every setting that differs, in the order of the declaration."""
    old, new = (dict(_flat(export.model_dump(mode="json", by_alias=True))) for export in (before, after))
    fields = dict.fromkeys((*old, *new))
    pairs = ((field, old.get(field, ABSENT), new.get(field, ABSENT)) for field in fields)
    return tuple(Edit(*pair) for pair in pairs if pair[1] != pair[2])


def refusal(before: DeclaredExport, after: DeclaredExport, *, is_done: bool, is_final: bool) -> str | None:
    """Why an edited export may not run; None where it may.

    `is_done`: everything that the declaration before asked for is delivered. `is_final`: the guard of this home.
    """
    changed = edits(before, after)
    if not changed:
        return None
    fields = ", ".join(edit.field for edit in changed)
    if is_done:
        what = "a one-time export" if before.schedule.is_once else "an export that has ended"
        return f"{what} that is Done can't be edited (edited: {fields}); undo the edit, and declare a new export"
    if is_final:
        return f"settings.yaml makes exports final after their first run (edited: {fields}); undo the edit"
    return None


def kind_refusal(before: str, after: str) -> str | None:
    """Why an export may not run as another kind than it ran before; None for the same one."""
    if before == after:
        return None
    return f"its kind was {before} and can't become {after}; undo the edit, and declare a new export"


def _flat(value: Mapping[str, JsonValue], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, (*path, key))
        else:
            yield ".".join((*path, key)), json.dumps(inner, ensure_ascii=False)
