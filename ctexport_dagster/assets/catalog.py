"""What Dagit's catalog says of an export's assets before any of them has run: tags to filter by, and where to edit."""

from ctexport_dagster.line import Line


def tags_of(line: Line) -> dict[str, str]:
    """Tags by which the assets of an export are found."""
    return {
        "ctexport/export": line.name,
        "ctexport/source": line.source.name,
        "ctexport/destination": line.export.destination,
        "ctexport/format": line.export.format.type,
        "ctexport/mode": line.export.schedule.mode,
    }


def disabled(line: Line) -> str:
    """The first sentence of a description: why the export is disabled; empty where it isn't."""
    return f"Disabled: {line.refusal}. " if line.refusal else ""


def runs_by(line: Line) -> str:
    """What runs the export by itself, in words: Dagit's own list of automations stays empty on its assets."""
    return f"It runs by its schedule, {line.name}, and by the sensor catch_up where that was missed."


def declared_in(line: Line) -> dict[str, str]:
    """Where an analyst edits the export, and which version of it is loaded."""
    return {
        "declared in": f"assets/{line.name}.yaml",
        "configuration version": line.configuration_version,
    }
