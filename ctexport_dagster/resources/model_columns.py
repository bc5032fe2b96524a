"""A table's columns under the names of the model, where a source declares others for them (`columns:`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ctexport_dagster.core.source import RawBatch


def model_names(names: Sequence[str], columns: Mapping[str, str]) -> tuple[str, ...]:
    """The model's names of a table's columns; `columns`: model name → the table's."""
    models = {given: model for model, given in columns.items()}
    return tuple(models.get(name, name) for name in names)


def first_twice(names: Sequence[str]) -> str | None:
    """The first name that stands twice: one of the two columns would be lost."""
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def renamed(batch: RawBatch, columns: Mapping[str, str]) -> RawBatch:
    """The batch with its columns named as in the model."""
    names = {given: model for model, given in columns.items() if given in batch.frame.columns}
    variants = {names.get(name, name): further for name, further in batch.variants.items()}
    return replace(batch, frame=batch.frame.rename(names), variants=variants)
