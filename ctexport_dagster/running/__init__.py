"""What runs, what ran, what is to run, and what may not: Dagster's runs and switches as the home's exports mean them.

    history.py    what was attempted, read from Dagster's runs;  standings.py: what that makes of each export
    switch.py     whether an export is on, and turning it on and off;  dead_runs.py: runs whose process is gone
    planning.py   what is to be launched now;  requests.py: as Dagster is asked for it;  launcher.py: in this process
    location.py   the name that the state of schedules hangs on

Schedules and sensors ask here; what they decide by is pure, and lies in core.
"""
