"""How long a home's definitions take to load, by the number of its exports: 200 beside 2, in pairs.

python bench/start_up.py [--exports 2 200] [--repeats 7]

Each measurement is a process of its own: from its start until Dagster's repository stands, less `import dagster`, which
every Dagster project pays. CPU seconds stand beside the wall's: on shared cores they are the ones to compare.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from shutil import copy2, rmtree
from statistics import median

HERE = Path(__file__).parent
ROOT = HERE.parent
WORK = HERE / ".work" / "start_up"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", nargs=2, type=int, default=[2, 200], metavar=("FEW", "MANY"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--measure", action="store_true", help="measure the home of CTEXPORT_HOME in this process")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_measured_here()))
    else:
        _compare(*arguments.exports, repeats=arguments.repeats)


def _compare(few: int, many: int, *, repeats: int) -> None:
    homes = {count: _home(count) for count in (few, many)}
    _measured(homes[few])  # writes the byte code and warms the disk's cache
    pairs = [(_measured(homes[few]), _measured(homes[many])) for _ in range(repeats)]
    print(f"{'exports':>8}  {'wall s':>7}  {'cpu s':>7}   medians of {repeats}, less the import of dagster")
    for count, runs in zip((few, many), zip(*pairs, strict=True), strict=True):
        wall, cpu = (median(run[kind] for run in runs) for kind in ("wall", "cpu"))
        print(f"{count:>8}  {wall:>7.2f}  {cpu:>7.2f}")
    ratios = {kind: median(larger[kind] / smaller[kind] for smaller, larger in pairs) for kind in ("wall", "cpu")}
    print(f"{many} / {few}: wall {ratios['wall']:.2f} ×, cpu {ratios['cpu']:.2f} × (medians of pairs)")


def _home(count: int) -> Path:
    """A home whose exports are the fully written example, each under a name and a number of its own."""
    root = WORK / f"exports_{count}"
    rmtree(root, ignore_errors=True)
    (root / "assets").mkdir(parents=True)
    (root / "resources").mkdir()
    for name in ("demo.yaml", "local_disk.yaml"):
        copy2(ROOT / "resources" / name, root / "resources" / name)
    example = (ROOT / "assets/daily_profiles.yaml").read_text()
    written = example.partition("export_id: ")[2].partition(" ")[0]
    for number in range(count):
        text = example.replace(f"export_id: {written}", f"export_id: {int(written) + number}")
        (root / "assets" / f"export_{number:03}.yaml").write_text(text)
    return root


def _measured(home: Path) -> dict[str, float]:
    environment = {**os.environ, "CTEXPORT_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--measure"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def _measured_here() -> dict[str, float]:
    import dagster  # noqa: F401, TID251

    wall, cpu = time.perf_counter(), time.process_time()
    from ctexport_dagster.definitions import defs

    defs.get_repository_def()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    main()
