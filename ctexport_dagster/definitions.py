"""The entry point of Dagster: the home's declarations, built. Nothing else."""

import gc
import os
from pathlib import Path

from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.build import build_definitions
from ctexport_dagster.engine import open_engine
from ctexport_dagster.home import load_home
from ctexport_dagster.state import StateFolders

# What is imported and built here lives as long as the process. Collections meanwhile find nothing, and take a third
# of the time that two hundred exports take to load.
gc.disable()
try:
    _home = load_home(os.environ, Path.cwd())
    defs = build_definitions(
        _home.exports.values(),
        _home.sources,
        _home.destinations,
        surroundings=_home.surroundings,
        settings=_home.settings,
        workshop=Workshop(StateFolders(_home.state), open_engine(os.environ.get("CTEXPORT_ENGINE", ""))),
    )
finally:
    gc.freeze()
    gc.enable()
