"""Measures a step in a process of its own: its seconds, as it tells them, and its peak of anonymous memory."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_SAMPLE_SECONDS = 0.01


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
    return {**json.loads(output.splitlines()[-1]), "peak_mb": peak / 1e6}


def anonymous_bytes(pid: int) -> int:
    """What a process holds in memory of its own; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0)
