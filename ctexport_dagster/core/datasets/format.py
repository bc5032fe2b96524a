"""The file format of a datasets export."""

from typing import Literal

from pydantic import field_validator

from ctexport_dagster.core.export import Format


class DatasetFormat(Format):
    """The file format of tables, whose columns keep their own types: `parquet` alone, or a mapping with its options."""

    style: Literal["clevertap", "typed"] = "typed"
    """typed: columns and types as in the table; there is no other."""

    @field_validator("style")
    @classmethod
    def _is_typed(cls, style: str) -> str:
        if style != "typed":
            raise ValueError("tables have the style typed alone; leave style out")
        return style
