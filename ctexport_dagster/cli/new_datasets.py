"""What `ctexport new` does for a flow of datasets, in place of the steps of identifiers and properties."""

import typer
from rich.console import Console

from ctexport_dagster.cli.new_session import Session
from ctexport_dagster.cli.new_steps import numbered
from ctexport_dagster.cli.new_views import SAMPLE_ROWS, print_columns, say
from ctexport_dagster.core.datasets.preview import masked_table
from ctexport_dagster.core.errors import ExportError
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.stages.dataset_preview import preview_datasets
from ctexport_dagster.state import StateFolders
from ctexport_dagster.wizard.answers import ExportAnswers

_OF_PROFILES = {
    "--identifier": "identifiers",
    "--identity-values": "identity_values",
    "--all-identities": "all_identities",
    "--clevertap-id": "clevertap_id",
    "--device": "device",
    "--communication": "communication",
    "--property": "properties",
    "--order": "order",
    "--rename": "rename",
    "--on-new-property": "on_new_property",
}


def choose_datasets(session: Session) -> None:
    """Settles whether a flow of datasets is declared, and which: by flags, by what the source has, or by asking.

    A flow of tables that are all given whole each time sends everything each time: nothing tells what is new.
    A new source has profiles alone.
    """
    said, asker = session.answers, session.asker
    source = None if session.new_source else session.source()
    if source is None:
        return
    known = source.declared_datasets
    if not said.is_flow and known and asker:
        kinds = ("profiles", "datasets")
        if not source.has_profiles or asker.one_of("What is exported", kinds, "profiles") == "datasets":
            question = f"Datasets that go out together, divided by commas: {numbered([*known])}"
            said.datasets = [*dict.fromkeys(asker.some_of(question, [*known], ", ".join(known)))]
    elif not said.is_flow and known and not source.has_profiles:
        session.missing.append("--dataset")
    chosen = [known[name] for name in said.datasets or () if name in known]
    if said.mode is None and chosen and all(declared.holds == "all" for declared in chosen):
        said.mode = "full"


def show_datasets(session: Session, console: Console) -> None:
    """Of each dataset of a flow every column, and a few rows of the first partition, masked."""
    source = session.source()
    if source is None:
        return
    flow = session.flow()
    line = DatasetLine(flow, source, StateFolders(session.state))
    first = line.cadence.key_of(line.cadence.first)
    try:
        found = preview_datasets(line, source.open(session.surroundings), first, rows=SAMPLE_ROWS)
    except ExportError as problem:
        say(console, f"The source can't be read yet, so that no columns are shown: {problem.happened}")
        return
    for one in found.datasets:
        say(console, f"{one.dataset}: its columns")
        rows = zip(*masked_table(one.rows), strict=True) if one.rows.height else [()] * len(one.columns)
        headers = ("column", "type", *(f"row {number}" for number in range(1, one.rows.height + 1)))
        cells = [(column.name, column.type, *row) for column, row in zip(one.columns, rows, strict=True)]
        print_columns(console, headers, cells)
    told = naming_of(flow).warnings  # beside the paths
    say(console, *(f"warning: {warning}" for warning in found.warnings if warning not in told))


def refuse_both(said: ExportAnswers) -> None:
    """Tables go out as they are: identifiers and properties are an export's of profiles.

    Raises:
        typer.BadParameter: flags say both.
    """
    given = [flag for flag, attribute in _OF_PROFILES.items() if getattr(said, attribute) is not None]
    if said.is_flow and given:
        raise typer.BadParameter(f"--dataset exports tables as they are: leave {', '.join(given)} out")
