"""Runs every benchmark and writes `bench/RESULTS.md`: commands, versions, figures as printed. Wants a quiet machine.

python -m bench [--only NAME …]      names as in BENCHMARKS; others keep their last results
"""

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
OUTPUTS = HERE / ".work" / "outputs"

BENCHMARKS = {
    "formats": ["formats.py", "--rows", "1000000", "--repeats", "5"],
    "formats_5m": ["formats.py", "--rows", "5000000", "--repeats", "1", "--only", "csv", "json", "xml", "parquet"],
    "formats_wide": [
        "formats.py", "--rows", "1000000", "--properties", "243", "--repeats", "1",
        "--only", "csv", "json", "xml", "parquet",
    ],
    "changes_1m": ["pipeline.py", "--rows", "1000000", "--mode", "changes"],
    "changes_5m": ["pipeline.py", "--rows", "5000000", "--mode", "changes"],
    "snapshot_5m": ["pipeline.py", "--rows", "5000000", "--mode", "snapshot"],
    "wide_1m": ["pipeline.py", "--rows", "1000000", "--properties", "256", "--mode", "changes"],
    "dagster_1m": ["pipeline.py", "--rows", "1000000", "--against-dagster", "--repeats", "5"],
    "events_5m": ["events.py", "--rows", "5000000"],
    "events_sparse": ["events.py", "--rows", "2000", "--profiles", "1000000"],
    "event_formats": [
        "event_formats.py", "--rows", "5000000", "--repeats", "1",
        "--only", "json", "csv", "duckdb json", "duckdb csv", "parquet", "duckdb parquet",
    ],
    "event_formats_wide": [
        "event_formats.py", "--rows", "300000", "--hot", "Form Saved",
        "--only", "json", "csv", "xml", "parquet", "parquet typed",
    ],
    "dataset_formats": ["dataset_formats.py", "--rows", "1000000"],
    "start_up": ["start_up.py"],
    "destinations": ["destinations.py"],
}  # fmt: skip
PACKAGES = ("polars", "pyarrow", "duckdb", "deltalake", "isal", "zlib-ng", "dagster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    chosen = parser.parse_args().only
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        print(f"== {name}", flush=True)
        (OUTPUTS / f"{name}.txt").write_text(_output(BENCHMARKS[name]))
        RESULTS.write_text(_document())


def _output(command: list[str]) -> str:
    script, *arguments = command
    with subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    ) as process:
        lines = []
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{script} failed")
    return "".join(lines)


def _document() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        "# Benchmark results",
        "Written by `make bench`; read it with the targets in mind that stand below each table.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + ". MB are 10^6 bytes; memory is the peak of anonymous RSS of a process of its own.",
    ]
    for name, command in BENCHMARKS.items():
        path = OUTPUTS / f"{name}.txt"
        if path.exists():
            lines += ["", f"## `python bench/{' '.join(command)}`", "```", path.read_text().rstrip(), "```"]
            lines += TARGETS.get(name, [])
    return "\n".join(lines) + "\n"


TARGETS = {
    "formats": [
        "Targets: csv ≤ 0.22 × DuckDB's wall at ≤ 1.10 × its size; csv small ≤ 0.40 × at ≤ 1.01 ×; json ≤ 0.20 ×;",
        "xml ≤ 1.6 × and parquet ≤ 2.0 × the wall of our csv; peak ≤ 400 MB.",
    ],
    "changes_5m": ["Target: the next day ≤ 0.2 × the full day; each stage ≤ 400 MB; the lake grows by ≤ 2 %."],
    "snapshot_5m": ["Target: the next day ≤ 0.5 × the full day; each stage ≤ 400 MB; the lake grows by ≤ 2 %."],
    "wide_1m": ["Target: each stage ≤ 400 MB."],
    "dagster_1m": ["Target: ≤ 1.5 ×, and ≤ 550 MB inside a Dagster run."],
    "events_5m": ["Target: each step ≤ 400 MB."],
    "events_sparse": ["Target: each step ≤ 400 MB, however many profiles there are beside the events."],
    "event_formats_wide": ["90 % of the events have 256 properties. Target: peak ≤ 400 MB."],
    "dataset_formats": ["Target: peak ≤ 400 MB."],
    "event_formats": ["Target: json and csv ≤ 1 × DuckDB's wall; peak ≤ 400 MB. Parquet is reported as it is."],
    "start_up": ["Target: 200 exports load in at most twice the time of 2."],
    "destinations": ["Target: each adds < 64 MiB to the process that delivers, servers on the same machine apart."],
}

if __name__ == "__main__":
    main()
