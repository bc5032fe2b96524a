"""`ctexport` in a process of its own that may be killed: forked from one that has imported everything already."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

from forking import fork


@dataclass(frozen=True)
class Command:
    """One command line, in one home."""

    home: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    said: Path
    """The file that it prints to."""
    niceness: int = 0
    """How much it gives way to others: 19 where somebody must see what it does before it has gone on."""

    def printing_to(self, said: Path) -> "Command":
        return replace(self, said=said)


def start(command: Command) -> BaseProcess:
    return fork(_run, command)


def _run(command: Command) -> None:
    """Signals are reset: a child of a shell that ignores them would ignore them too, and be stopped by nothing."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(command.niceness)
    os.chdir(command.home)
    os.environ.clear()
    os.environ.update(command.environment)
    sys.stdout = sys.stderr = command.said.open("w")
    from ctexport_dagster.cli.app import main

    main(list(command.arguments))
