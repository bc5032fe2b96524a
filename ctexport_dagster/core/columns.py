"""The columns of an export: what each output column holds, in which order, under which header.

The *resolved frame* (polars), which the identity stage stages and every format reads, has one column per
`OutputColumn`, named by its `key`, in plan order, rows sorted by (h, clevertapId):

    role               key                    dtype
    identity           identity               String (values: single) or List(String) (values: all), never null
    all_identities     all_identities         List(String), never null, may be empty
    clevertapId        clevertapId            String
    clevertapIds       clevertapIds           List(String), null for none
    device             device                 String: the device token, null for none
    preference         MSG-push …             the field's dtype (Boolean or String mostly)
    groups             subscriptionGroups     String: canonical JSON object text, null for none
    property           property:<name>        the field's dtype

A preference or property that has held nothing but nulls so far, or that the source doesn't have, is a String column
of nulls. Which columns an export has is decided in core/column_plan.py. Source: REQUIREMENTS P12 to P23.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import polars as pl

from ctexport_dagster.core.export import Format
from ctexport_dagster.core.manifest import ManifestColumn
from ctexport_dagster.core.schema import STRINGS, ValueType
from ctexport_dagster.core.staging import StagedColumn

ColumnRole = Literal[
    "identity", "all_identities", "clevertapId", "clevertapIds", "device", "preference", "groups", "property"
]
_ROLES: dict[str, ColumnRole] = {role: role for role in get_args(ColumnRole)}


@dataclass(frozen=True)
class OutputColumn:
    """One column of an export: `name` in the model, `header` in the file."""

    role: ColumnRole
    name: str
    header: str
    type: ValueType

    @cached_property
    def key(self) -> str:
        """The column's name in the resolved frame: unique whatever a property is called."""
        return f"property:{self.name}" if self.role == "property" else self.name

    @property
    def dtype(self) -> pl.DataType:
        return self.type.dtype

    @property
    def is_list(self) -> bool:
        return self.dtype == STRINGS


@dataclass(frozen=True)
class ColumnPlan:
    """The columns of one export in one partition, in output order, headers unique; `warnings` are for people."""

    columns: tuple[OutputColumn, ...]
    warnings: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(column.header for column in self.columns)

    def of_role(self, *roles: ColumnRole) -> tuple[OutputColumn, ...]:
        return tuple(column for column in self.columns if column.role in roles)

    @property
    def frame_schema(self) -> dict[str, pl.DataType]:
        """Name and dtype of every column of the resolved frame."""
        return {column.key: column.dtype for column in self.columns}


def staged_columns(plan: ColumnPlan) -> tuple[StagedColumn, ...]:
    """The plan's columns as the staging document keeps them."""
    return tuple(
        StagedColumn(role=column.role, name=column.name, header=column.header, type=column.type)
        for column in plan.columns
    )


def plan_from_staged(columns: Iterable[StagedColumn], warnings: tuple[str, ...] = ()) -> ColumnPlan:
    """The plan that `staged_columns` was given.

    Raises:
        ValueError, KeyError: the document holds a type or role that this version doesn't know.
    """
    return ColumnPlan(
        tuple(OutputColumn(_ROLES[c.role], c.name, c.header, ValueType(c.type)) for c in columns), warnings
    )


def manifest_columns(plan: ColumnPlan) -> tuple[ManifestColumn, ...]:
    """The plan's columns as the manifest names them; `source` is the key, as `property:Phone` or `MSG-push`."""
    return tuple(ManifestColumn(name=column.header, type=column.type, source=column.key) for column in plan.columns)


def fingerprint(plan: ColumnPlan, format: Format) -> str:  # noqa: A002
    """A hash of what a reader of the files has to know: the format's shape, and headers and types in order.

    It differs whenever a table built on the files would have to. How the files are compressed doesn't enter, nor,
    where everything is written as text (`as_string`), do the types.
    """
    types = ["string" if format.as_string and not column.is_list else column.type.value for column in plan.columns]
    document = [format.type, format.style, [*zip(plan.headers, types, strict=True)]]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:16]
