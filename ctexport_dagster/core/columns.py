"""The column plan of an export: what each output column holds, in which order, under which header.

The *resolved frame* (polars), which the identity stage stages and every format reads, has one column per
`OutputColumn`, named by its `key`, in plan order, rows sorted by (h, clevertapId):

    role               key                    dtype
    identity           identity               String (values: single) or List(String) (values: all)
    all_identities     all_identities         List(String), never null, may be empty
    clevertapId        clevertapId            String
    clevertapIds       clevertapIds           List(String), null for none
    device             device                 String: the device token, null for none
    preference         MSG-push …             the field's dtype (Boolean or String mostly)
    groups             subscriptionGroups     String: canonical JSON object text, null for none
    property           property:<name>        the field's dtype

Source: REQUIREMENTS P12 to P23.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from ctexport_dagster.core.schema import STRINGS, ValueType

ColumnRole = Literal[
    "identity", "all_identities", "clevertapId", "clevertapIds", "device", "preference", "groups", "property"
]


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
