"""The whole line at size: time and peak memory of each stage, a day of 1 % changes, and Dagster's share.

    python bench/pipeline.py [--rows N] [--properties N] [--mode changes|snapshot] [--work DIR]
    python bench/pipeline.py --against-dagster [--rows N] [--repeats N]

Every step is a process of its own. `full day`: source to resolved rows of the first partition; `next day`: the same
of the second, in which 1 % of the profiles changed. `--against-dagster` runs the second half, from the lake to local
files, through Dagster and through the stages alone, in turn; Dagster's own start isn't counted.
"""

import argparse
import json
import statistics
import time
from argparse import Namespace
from pathlib import Path
from shutil import rmtree

from measuring import measured

DAYS = ("2026-11-01", "2026-11-02")
_SPENT = ("seconds", "cpu_seconds", "peak_mb")


def main() -> None:
    options = _options()
    if options.step:
        started, cpu_started, told = _done(options)
        spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu_started}
        print(json.dumps({**spent, **told}))
    elif options.against_dagster:
        _against_dagster(options)
    else:
        _stages(options)


def _options() -> Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--properties", type=int, default=12, help="beside the model's own 13 columns")
    parser.add_argument("--mode", choices=["changes", "snapshot"], default="changes")
    parser.add_argument("--work", type=Path, default=Path("bench/.work/pipeline"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against-dagster", action="store_true")
    parser.add_argument("--step")
    parser.add_argument("--day", type=int, default=1)
    return parser.parse_args()


def _step(options: Namespace, step: str, day: int) -> dict[str, float]:
    given = {"rows": options.rows, "properties": options.properties, "mode": options.mode, "work": options.work}
    arguments = [f"--{name}={value}" for name, value in given.items()]
    return measured(__file__, [*arguments, f"--step={step}", f"--day={day}"])


def _stages(options: Namespace) -> None:
    rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    print(f"{options.rows:,} profiles, {options.properties + 13} columns, mode {options.mode}")
    told_of: dict[tuple[str, int], dict[str, float]] = {}
    for day in (1, 2):
        _step(options, "generate", day)
        for step in ("profiles", "identity", "chunks", "delivery"):
            told = _step(options, step, day)
            told_of[step, day] = told
            counts = "".join(f"  {name} {value:,.0f}" for name, value in told.items() if name not in _SPENT)
            spent = f"{told['seconds']:8.1f} s{told['cpu_seconds']:8.1f} cpu-s{told['peak_mb']:8.0f} MB"
            print(f"day {day}  {step:10}{spent}{counts}", flush=True)
    for measure, unit in (("seconds", "s"), ("cpu_seconds", "cpu-s")):
        full, following = (told_of["profiles", day][measure] + told_of["identity", day][measure] for day in (1, 2))
        ratio = following / full
        print(f"full day {full:.1f} {unit}, next day with 1 % changed {following:.1f} {unit}: {ratio:.3f} ×")


def _against_dagster(options: Namespace) -> None:
    rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    _step(options, "generate", 1)
    _step(options, "profiles", 1)
    runs: dict[str, list[dict[str, float]]] = {"core": [], "dagster": []}
    for _ in range(options.repeats):
        for name, told in runs.items():
            told.append(_step(options, name, 1))
    for name, told in runs.items():
        wall, peak = (statistics.median(run[key] for run in told) for key in ("seconds", "peak_mb"))
        what = f"lake to local files, {options.rows:,} profiles, median of {len(told)}"
        print(f"{name:8}{wall:8.2f} s{peak:8.0f} MB   {what}")
    pairs = [d["seconds"] / c["seconds"] for c, d in zip(runs["core"], runs["dagster"], strict=True)]
    print(f"dagster / core: {statistics.median(pairs):.3f} × (median of pairs)")


def _done(options: Namespace) -> tuple[float, float, dict[str, float]]:
    """Runs one step; gives when its own work began, imports and opening done, and what it counted."""
    if options.step == "generate":
        from lake import generate

        started, cpu_started = time.perf_counter(), time.process_time()
        generate(options)
        options.work.joinpath(f"input-{options.day}.parquet").rename(
            options.work / f"input-{DAYS[options.day - 1]}.parquet"
        )
        return started, cpu_started, {}
    from bench_home import BenchHome

    home = BenchHome.at(options.work, options.mode)
    ready = {"dagster": home.ready_dagster}.get(options.step, lambda: None)()
    started, cpu_started = time.perf_counter(), time.process_time()
    return started, cpu_started, home.run(options.step, DAYS[options.day - 1], ready)


if __name__ == "__main__":
    main()
