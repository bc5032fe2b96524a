"""The columns of a table as manifests name them, and what tells two shapes of files apart. Source: REQUIREMENTS B1."""

import hashlib
import json

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.type_names import type_name
from ctexport_dagster.core.manifest import ManifestColumn


def dataset_columns(schema: pl.Schema) -> tuple[ManifestColumn, ...]:
    """The columns as the manifest names them; each comes from the table's column of its name."""
    return tuple(ManifestColumn(name=name, type=type_name(dtype), source=name) for name, dtype in schema.items())


def dataset_fingerprint(declared: DatasetFormat, schema: pl.Schema) -> str:
    """A hash of what a reader of the files has to know: the format's shape, and columns and types in order.

    How the files are compressed doesn't enter, nor, where everything is written as text (`as_string`), do the types.
    """
    types = ["string" if declared.as_string else type_name(dtype) for dtype in schema.dtypes()]
    document = [declared.type, declared.style, [*zip(schema.names(), types, strict=True)]]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:16]
