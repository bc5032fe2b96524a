"""The formats against their peers: 1 M profiles of 25 columns, from a staged file to delivered bytes.

    python bench/formats.py [--rows N] [--repeats N] [--only NAME …] [--folder DIR]

Each measurement is a process of its own, so that its peak memory (anonymous RSS) is its own; imports don't count. The
contestants of a repeat run one after the other, and the figures are medians, so that a noisy machine hits all alike.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import ctexport_dagster  # noqa: F401  (first of all: it chooses how Arrow keeps memory)

sys.path.insert(0, str(Path(__file__).parent))

CONTESTANTS = (
    "csv",
    "csv small",
    "json",
    "xml",
    "parquet",
    "parquet typed",
    "duckdb csv",
    "duckdb json",
    "polars csv",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--properties", type=int, default=0, help="further text properties beside the 13")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=CONTESTANTS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ctexport-bench")
    parser.add_argument("--measure", help="one contestant, in this process (what the others are run with)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.measure:
        print(json.dumps(_measured(arguments)))
    else:
        _compare(arguments)


def _compare(arguments: argparse.Namespace) -> None:
    _in_child(arguments, "prepare")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    for _ in range(arguments.repeats):
        for name in arguments.only:
            results[name].append(_in_child(arguments, name))
    print(f"{arguments.rows:,} profiles, {25 + arguments.properties} columns, medians of {arguments.repeats}")
    print(f"{'':16}{'wall s':>9}{'cpu s':>9}{'MB':>9}{'peak MB':>9}   wall and size against")
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()
    }
    for name, median in medians.items():
        print(
            f"{name:16}{median['seconds']:9.2f}{median['cpu_seconds']:9.2f}{median['bytes'] / 1e6:9.1f}"
            f"{median['peak_bytes'] / 1e6:9.0f}   " + _against(name, medians)
        )


def _against(name: str, medians: dict[str, dict[str, float]]) -> str:
    peers = {"csv": "duckdb csv", "csv small": "duckdb csv", "json": "duckdb json", "xml": "csv", "parquet": "csv"}
    peer = peers.get(name)
    if peer is None or peer not in medians:
        return ""
    mine, other = medians[name], medians[peer]
    return f"{peer}: {mine['seconds'] / other['seconds']:.3f} × wall, {mine['bytes'] / other['bytes']:.3f} × size"


def _in_child(arguments: argparse.Namespace, name: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", name, "--rows", str(arguments.rows)]
    command += ["--properties", str(arguments.properties), "--threads", str(arguments.threads)]
    command += ["--folder", str(arguments.folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measured(arguments: argparse.Namespace) -> dict[str, float]:
    work = _work(arguments)
    with _PeakMemory() as memory:
        start, cpu_start = time.perf_counter(), time.process_time()
        size = work()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "bytes": size, "peak_bytes": memory.peak_bytes}


def _work(arguments: argparse.Namespace) -> Callable[[], int]:
    staged = arguments.folder / f"{arguments.rows}-{arguments.properties}.arrow"
    flat = staged.with_suffix(".parquet")
    output = arguments.folder / "output"
    output.mkdir(exist_ok=True)
    name = arguments.measure
    if name == "prepare":
        return lambda: _prepare(arguments, staged, flat)
    if name.startswith("duckdb"):
        return _duckdb(name.split()[1], flat, output)
    if name == "polars csv":
        return _polars(flat, output)
    return _ours(name, staged, output, arguments)


def _prepare(arguments: argparse.Namespace, staged: Path, flat: Path) -> int:
    from synthetic_profiles import profile_plan, resolved_frames

    from ctexport_dagster.core.resolved_file import ResolvedWriter

    if flat.exists() and staged.exists():
        return 0
    import polars as pl

    plan = profile_plan(arguments.properties)
    with ResolvedWriter(staged, plan.frame_schema) as writer:
        for frame in resolved_frames(arguments.rows, arguments.properties):
            writer.write(frame)
    frames = resolved_frames(arguments.rows, arguments.properties)
    texts = pl.concat(frame.rename(lambda name: name.removeprefix("property:")) for frame in frames)
    texts.write_parquet(flat, row_group_size=122_880)
    return staged.stat().st_size


def _ours(name: str, staged: Path, output: Path, arguments: argparse.Namespace) -> Callable[[], int]:
    from synthetic_profiles import profile_plan

    from ctexport_dagster.core.chunking import write_chunks
    from ctexport_dagster.core.export import Format
    from ctexport_dagster.core.resolved_file import read_resolved

    type_, *option = name.split()
    options = {"small": {"compression": "small"}, "typed": {"style": "typed"}}
    declared = Format.model_validate({"type": type_, **(options[option[0]] if option else {})})
    plan = profile_plan(arguments.properties)

    def work() -> int:
        frames = read_resolved(staged)
        chunks = write_chunks(frames, declared, plan, output, 0, 100_000_000, arguments.threads)
        return sum(chunk.bytes for chunk in chunks)

    return work


def _duckdb(type_: str, flat: Path, output: Path) -> Callable[[], int]:
    import duckdb

    target = output / f"duckdb.{type_}.gz"
    lists = """'["' || array_to_string(all_identities, '","') || '"]' AS all_identities,
        '[' || array_to_string(clevertapIds, ',') || ']' AS clevertapIds,
        '["' || array_to_string(Interests, '","') || '"]' AS Interests,
        CASE WHEN device IS NOT NULL THEN '{"token":"' || device || '"}' END AS device"""
    objects = """CASE WHEN device IS NOT NULL THEN {'token': device} END AS device,
        subscriptionGroups::JSON AS subscriptionGroups"""
    options = "FORMAT csv, HEADER, COMPRESSION gzip" if type_ == "csv" else "FORMAT json, COMPRESSION gzip"
    connection = duckdb.connect()
    prepared = flat.with_suffix(f".duckdb.{type_}.parquet")
    if not prepared.exists():
        replaced = lists if type_ == "csv" else objects
        connection.execute(f"COPY (SELECT * REPLACE ({replaced}) FROM '{flat}') TO '{prepared}'")

    def work() -> int:
        connection.execute(f"COPY (FROM '{prepared}') TO '{target}' ({options})")
        return target.stat().st_size

    return work


def _polars(flat: Path, output: Path) -> Callable[[], int]:
    import polars as pl

    prepared = flat.with_suffix(".duckdb.csv.parquet")
    target = output / "polars.csv.gz"

    def work() -> int:
        pl.scan_parquet(prepared).sink_csv(target, compression="gzip")
        return target.stat().st_size

    return work


class _PeakMemory:
    """Watches this process's anonymous memory every 5 ms."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        status = Path("/proc/self/status")
        while not self._done.wait(0.005):
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) * 1024)


if __name__ == "__main__":
    main()
