"""The names of a flow's files: each dataset's apart, in a folder or by name.

    preset of files.folder    template          preset of files.name          template
    data_type                 datasets          default, clevertap_legacy     <account>-<export-id>-<timestamp>
    /                         (no folder)                                     -<dataset>-<instance>
    the others as for profiles                  adobe                         part-<index in 5 digits>-<unique>

A name of the user's own gets what it lacks of Timestamp, Dataset-name and Instance-id appended, in this order; where
the folder or the name has Export-time, it needs no Timestamp; where one has Dataset-id, no Dataset-name.

With `files.name: adobe`, the folder bucket_root, which is the default, is <dataset-id>/exportTime=<export-time>, and a
Parquet file compressed with gzip inside ends in .gz.parquet. Its unique digits follow from export, dataset and
partition: names are apart in one folder too, and a re-run gives the same ones. Source: REQUIREMENTS A6, A7.
"""

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.naming import (
    ADOBE,
    DATASET_VARIABLES,
    FOLDER_PRESETS,
    PROFILE_VARIABLES,
    Naming,
    NamingRules,
)
from ctexport_dagster.core.run_names import FileOfDataset
from ctexport_dagster.core.templates import Variable

_NAME = "-".join(
    variable.placeholder
    for variable in (
        Variable.ACCOUNT_ID,
        Variable.EXPORT_ID,
        Variable.TIMESTAMP,
        Variable.DATASET_NAME,
        Variable.INSTANCE_ID,
    )
)
_ADOBE_FOLDER = f"{Variable.DATASET_ID.placeholder}/exportTime={Variable.EXPORT_TIME.placeholder}"
_ADOBE_NAME = f"part-{Variable.PART.placeholder}-{Variable.UNIQUE.placeholder}"

DATASET_RULES = NamingRules(
    folders={**FOLDER_PRESETS, "data_type": "datasets", "/": ""},
    names={"default": _NAME, "clevertap_legacy": _NAME, ADOBE: _ADOBE_NAME},
    variables=PROFILE_VARIABLES | DATASET_VARIABLES,
    appended=(Variable.TIMESTAMP, Variable.DATASET_NAME, Variable.INSTANCE_ID),
    legacy_text_lead="-",
    said_by={Variable.TIMESTAMP: frozenset({Variable.EXPORT_TIME}), Variable.DATASET_NAME: DATASET_VARIABLES},
    signs="=",
    folders_of={ADOBE: {"bucket_root": _ADOBE_FOLDER}},
)


def file_of(dataset: str, declared: DeclaredDataset) -> FileOfDataset:
    """What the files of a dataset hold, as their names tell it."""
    return FileOfDataset(dataset, declared.id or dataset)


def dataset_naming(export: DatasetExport) -> Naming:
    """The naming that a flow of datasets declares.

    Raises:
        NamingMistake: a template can't be used.
    """
    return Naming.of(export, DATASET_RULES)
