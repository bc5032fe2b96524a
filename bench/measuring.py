"""Measures a step in a process of its own: its seconds, as it tells them, and its peak of anonymous memory.

A script runs itself again for each step: there `tell` runs the step, here `measured` watches it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_SAMPLE_SECONDS = 0.01


def tell(step: Callable[[], Mapping[str, object]]) -> None:
    """Runs a step in this process, and prints what it gives beside its seconds, by the wall and of CPU."""
    started = time.perf_counter()
    told = step()
    spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time()}
    print(json.dumps({name: round(value, 1) for name, value in spent.items()} | dict(told)))


def measured(script: str, arguments: Sequence[str]) -> dict[str, float]:
    """Runs a script that prints one JSON object with `seconds`; adds `peak_mb`, sampled from outside, imports included.

    Raises:
        SystemExit: the step failed; what it said stands above.
    """
    command = [sys.executable, script, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        peak = 0
        while child.poll() is None:
            peak = max(peak, anonymous_bytes(child.pid))
            time.sleep(_SAMPLE_SECONDS)
        output = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return {**json.loads(output.splitlines()[-1]), "peak_mb": round(peak / 1e6, 1)}


def anonymous_bytes(pid: int) -> int:
    """What a process holds in memory of its own; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0)
