"""The Dagster instance of a home: where it lies, and the settings that a fresh one starts with."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from filelock import FileLock

from ctexport_dagster.core.atomic import write_bytes

SETTINGS = """\
# Written by ctexport when this Dagster home was made; yours to edit from here on.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1          # two runs of one source or export never overlap
    granularity: run
  runs:
    max_concurrent_runs: 4
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60   # else a run that died keeps its export's slot
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      success: 90
      failure: 90
"""


def dagster_home(state: Path, environment: Mapping[str, str]) -> Path:
    """`DAGSTER_HOME` where it is set, else `dagster/` in the state folder."""
    given = environment.get("DAGSTER_HOME")
    return Path(given).expanduser().resolve() if given else state / "dagster"


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance of a Dagster home, which is made with our settings where there is none.

    One process at a time may make it: two that first open an empty SQLite home collide ("table already exists").
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".ctexport.lock"):
        if not (home / "dagster.yaml").exists():
            write_bytes(home / "dagster.yaml", SETTINGS.encode())
        instance = dg.DagsterInstance.from_config(str(home))
        instance.get_runs(limit=1)
        instance.all_asset_keys()
        return instance
