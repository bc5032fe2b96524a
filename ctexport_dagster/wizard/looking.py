"""What a source really has: its days, their columns, and a few rows that show what an export makes of them."""

import glob
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import polars as pl

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.errors import ExportError, SourceMissing
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.identity import resolve
from ctexport_dagster.core.schema import Field, SourceSchema
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.line import Line
from ctexport_dagster.stages.preview import Origin, sample_of
from ctexport_dagster.stages.sampling import until_rows
from ctexport_dagster.state import StateFolders

_TRIED_WINDOWS = 62
_KEPT_ROWS = 200
_KEY = r"(?P<key>\d{4}-\d\d-\d\d(T\d{4}Z)?)"
_VARIABLE = re.compile(r"\{\{\s*partition\s*\}\}", re.IGNORECASE)

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "clevertapId": ("clevertap_id", "objectid", "user_id", "userid", "customer_id", "profile_id", "id"),
    "identity": ("identity", "external_id", "login"),
    "Email": ("email", "mail", "e_mail", "email_address"),
    "Phone": ("phone", "mobile", "phone_number", "mobile_number", "msisdn"),
    "Name": ("name", "full_name"),
}
"""The model's names that a new source most often calls otherwise, and how, in small letters."""


@dataclass(frozen=True)
class Seen:
    """The first rows of a source's partition (a profile frame), and the schema that they have."""

    partition: str
    origin: Origin
    schema: SourceSchema
    rows: pl.DataFrame
    warnings: tuple[str, ...] = ()
    """What of the rows that were read a run would refuse."""

    @property
    def properties(self) -> tuple[Field, ...]:
        return self.schema.properties

    def as_exported(self, export: Export, rows: int) -> tuple[ColumnPlan, pl.DataFrame]:
        """The export's columns, and its first rows as it would send them.

        Raises:
            ConfigurationError: the source has none of the export's identifiers.
        """
        plan = plan_columns(export, self.schema)
        if self.rows.is_empty():
            return plan, pl.DataFrame(schema=plan.frame_schema)
        return plan, resolve(self.rows.head(rows), export, plan, self.schema)


def look(export: Export, source: SourceDeclaration, surroundings: Surroundings, state: Path, now: datetime) -> Seen:
    """The rows of the source's first partition that is there: the lake's, else the source's own. Writes nothing.

    Raises:
        ExportError: no partition is there yet, or it can't be read; the message says which.
    """
    line = Line(export, source, StateFolders(state))
    windows = [*islice(line.cadence.windows(until=now), _TRIED_WINDOWS)] or [line.cadence.first]
    missing: SourceMissing | None = None
    for window in windows:
        partition = line.cadence.key_of(window)
        try:
            sample = sample_of(line, source.open(surroundings), partition, "full")
        except SourceMissing as problem:
            missing = missing or problem
            continue
        frames = [frame.head(_KEPT_ROWS) for frame in until_rows(sample.frames)]
        return Seen(partition, sample.origin, sample.schema, frames[-1] if frames else pl.DataFrame(), sample.warnings)
    raise missing or ExportError("Reading the source", "it has no partition", "Mend its start and end.")


def partitions_found(root: Path, template: str) -> list[str]:
    """The partition keys for which files lie under a source's path template, oldest first."""
    pattern = _VARIABLE.sub("*", template)
    absolute = pattern if Path(pattern).is_absolute() else f"{glob.escape(str(root))}/{pattern}"
    base = "" if Path(pattern).is_absolute() else f"{root}/"
    shape = re.compile(re.escape(base) + _shape(template), re.DOTALL)
    names = glob.iglob(absolute, recursive=True)  # noqa: PTH207
    return sorted({match["key"] for name in names if (match := shape.fullmatch(name))})


def _shape(template: str) -> str:
    """The regular expression of the paths that a template means; the first variable tells the key."""
    before, after, *others = _VARIABLE.split(template)
    return _globbed(before) + _KEY + _globbed(after) + "".join(f"(?P=key){_globbed(part)}" for part in others)


def _globbed(text: str) -> str:
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    meaning = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meaning.get(piece) or re.escape(piece) for piece in pieces)


def likely_columns(names: Iterable[str]) -> dict[str, str]:
    """Model name → the file's column that most probably holds it, where the two differ."""
    known = list(names)
    guessed: dict[str, str] = {}
    for model, usual in USUAL_NAMES.items():
        if model in known:
            continue
        by_small = {name.lower(): name for name in reversed(known) if name not in guessed.values()}
        if found := next((by_small[word] for word in (model.lower(), *usual) if word in by_small), None):
            guessed[model] = found
    return guessed
