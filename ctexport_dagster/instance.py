"""The Dagster instance of a home: where it lies, and the settings that a fresh one starts with."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
from filelock import FileLock

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.errors import ConfigurationError, Mistake

POSTGRES_URL = "CTEXPORT_POSTGRES_URL"
"""The one setting that moves Dagster's runs, events and schedules from SQLite to Postgres, an address as
postgresql+psycopg2://user:password@host/database."""

POSTGRES_SCHEME = "postgresql+psycopg2://"
"""SQLAlchemy 2.1 takes plain postgresql:// for psycopg 3, on which Dagster's NOTIFY is a syntax error."""

FILE = "dagster.yaml"

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


POSTGRES = f"""\
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_URL}
"""


def dagster_home(state: Path, environment: Mapping[str, str]) -> Path:
    """`DAGSTER_HOME` where it is set, else `dagster/` in the state folder."""
    given = environment.get("DAGSTER_HOME")
    return Path(given).expanduser().resolve() if given else state / "dagster"


def open_instance(home: Path, environment: Mapping[str, str]) -> dg.DagsterInstance:
    """The instance of a Dagster home, which is made with our settings where there is none.

    One process at a time may make it: two that first open an empty SQLite home collide ("table already exists").

    Raises:
        ConfigurationError: it lies in Postgres, and the address or the driver is missing.
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".ctexport.lock"):
        path = home / FILE
        present = path.read_text() if path.exists() else ""
        wanted = settings_for(present, environment)
        if wanted != present:
            write_bytes(path, wanted.encode())
        _check_postgres(path, wanted, environment)
        instance = dg.DagsterInstance.from_config(str(home))
        instance.get_runs(limit=1)
        instance.all_asset_keys()
        return instance


def settings_for(present: str, environment: Mapping[str, str]) -> str:
    """The text of dagster.yaml: what stands there already, else ours, and where Postgres is wanted, its storage.

    A file that says itself where storage lies is left as it is.
    """
    text = present or SETTINGS
    says_storage = re.search(r"^(storage|run_storage):", text, re.MULTILINE)
    return text if says_storage or not environment.get(POSTGRES_URL) else f"{text.rstrip()}\n{POSTGRES}"


def _check_postgres(path: Path, text: str, environment: Mapping[str, str]) -> None:
    if POSTGRES not in text:
        return
    url = environment.get(POSTGRES_URL)
    if not url:
        message = f"Dagster's storage lies in Postgres: set {POSTGRES_URL}, or take the storage block out of this file"
    elif not url.startswith(POSTGRES_SCHEME):
        message = f"{POSTGRES_URL} must begin with {POSTGRES_SCHEME}, the driver that Dagster is written for"
    elif find_spec("dagster_postgres") is None:
        message = 'Postgres needs what isn\'t installed: run pip install "ctexport-dagster[postgres]"'
    else:
        return
    raise ConfigurationError([Mistake(str(path), 0, "storage", message)])
