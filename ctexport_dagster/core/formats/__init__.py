"""The file formats: one module each, all with the same shape (`layout.RowFormat`)."""

from typing import assert_never

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.csv import CsvFormat
from ctexport_dagster.core.formats.json import JsonFormat
from ctexport_dagster.core.formats.layout import RowFormat
from ctexport_dagster.core.formats.parquet import ParquetFormat
from ctexport_dagster.core.formats.xml import XmlFormat


def open_format(declared: Format, plan: ColumnPlan) -> RowFormat:
    """The format that an export declares, for its columns.

    Raises:
        ValueError: the plan doesn't begin with an identifier that is never null (`identity`).
    """
    match declared.type:
        case "csv":
            return CsvFormat(declared, plan)
        case "json":
            return JsonFormat(declared, plan)
        case "xml":
            return XmlFormat(declared, plan)
        case "parquet":
            return ParquetFormat(declared, plan)
        case _:
            assert_never(declared.type)
