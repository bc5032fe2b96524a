"""Runs of `ctexport` that are killed, and what must lie there once the same command has run again to its end."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from line_fakes import tree
from run_child import Command, start

from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.instance import open_instance


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody disturbs delivers, and how long it takes here."""

    delivered: Mapping[str, bytes]
    seconds: float
    dagster: Path
    """A fresh Dagster home, ready to be copied: to make one takes a second."""


@dataclass(frozen=True)
class Victim:
    """A home that is made anew for each try, and the command that is killed in it."""

    make: Callable[[Path], Path]
    arguments: tuple[str, ...]

    def command(self, home: Path, environment: Mapping[str, str]) -> Command:
        told = {**environment, "CTEXPORT_HOME": str(home), "CTEXPORT_STATE": str(home / "state")}
        return Command(home, self.arguments, told, home.with_name(f"{home.name}.said"))

    def undisturbed(self, folder: Path, environment: Mapping[str, str]) -> Undisturbed:
        """What it delivers when it isn't killed; the first run warms the caches of this machine."""
        home, dagster = self.make(folder / "home"), folder / "dagster"
        open_instance(dagster, {}).dispose()
        run_to_the_end(self.command(self.make(folder / "warm"), environment))
        began = time.monotonic()
        run_to_the_end(self.command(home, environment))
        seconds = time.monotonic() - began
        assert_nothing_is_left_over(home)
        return Undisturbed(delivered(home), seconds, dagster)

    def killed_after(
        self, home: Path, environment: Mapping[str, str], undisturbed: Undisturbed, seconds: float, *, is_fresh: bool
    ) -> int | None:
        """Kills the command so many seconds after its start; gives its exit code. Fresh: Dagster's home isn't made."""
        self.make(home)
        if not is_fresh:
            shutil.copytree(undisturbed.dagster, home / "state/dagster")
        process = start(self.command(home, environment))
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode

    def killed_when(
        self, home: Path, environment: Mapping[str, str], undisturbed: Undisturbed, appears: str
    ) -> int | None:
        """Kills the command as soon as a file appears that this glob matches; gives its exit code."""
        self.make(home)
        shutil.copytree(undisturbed.dagster, home / "state/dagster")
        process = start(replace(self.command(home, environment), niceness=19))
        while process.is_alive() and not any(home.glob(appears)):
            process.join(0.0005)
        process.kill()
        process.join()
        return process.exitcode

    def assert_recovers(self, home: Path, environment: Mapping[str, str], undisturbed: Undisturbed) -> None:
        """The same command, left alone, completes what was killed."""
        run_to_the_end(self.command(home, environment))
        assert delivered(home) == undisturbed.delivered
        assert_nothing_is_left_over(home)


def run_to_the_end(run: Command) -> None:
    process = start(run)
    process.join()
    assert process.exitcode == 0, run.said.read_text()


def delivered(home: Path) -> dict[str, bytes]:
    """Every delivered file; of manifests all but the ids of runs, and the lake's version, which counts commits."""
    files = tree(home / "exports")
    return {key: _without_runs(content) if key.endswith(".json") else content for key, content in files.items()}


def assert_nothing_is_left_over(home: Path) -> None:
    files = tree(home)
    assert [path for path in files if ".part" in path] == []
    assert [path for path in files if path.startswith("state/scratch/")] == []


def _without_runs(content: bytes) -> bytes:
    manifest = Manifest.from_json(content.decode())
    assert manifest.run_id
    assert manifest.upstream_runs
    return replace(manifest, run_id="", upstream_runs=(), lake_version=0).to_json().encode()
