"""The file formats of tables: one module each, all with the shape of core/formats (`layout.RowFormat`)."""

from typing import assert_never

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats.csv import DatasetCsv
from ctexport_dagster.core.datasets.formats.json import DatasetJson
from ctexport_dagster.core.datasets.formats.parquet import DatasetParquet
from ctexport_dagster.core.datasets.formats.xml import DatasetXml
from ctexport_dagster.core.formats.layout import RowFormat


def open_dataset_format(declared: DatasetFormat, schema: pl.Schema) -> RowFormat:
    """The format that a flow declares, for the frames of one schema."""
    match declared.type:
        case "csv":
            return DatasetCsv(declared, schema)
        case "json":
            return DatasetJson(declared, schema)
        case "xml":
            return DatasetXml(declared, schema)
        case "parquet":
            return DatasetParquet(declared, schema)
        case _:
            assert_never(declared.type)
