"""The code location's name, as in workspace.yaml and pyproject.toml: the state of schedules hangs on it."""

LOCATION = "ctexport_dagster"
