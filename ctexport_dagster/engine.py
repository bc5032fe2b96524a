"""Where the work of the instances runs: one after the other in this process, or on a Dask cluster.

A stage hands over one pure function and one task per instance; functions are module-level and tasks are plain
dataclasses, so that they travel to another machine, which must see the same state folder.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from ctexport_dagster.core.errors import ConfigurationError, Mistake

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs one function per instance; results come in the order of the tasks."""

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]: ...


class InProcess:
    """One instance after the other, here: peak memory is that of a single one."""

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        return map(function, tasks)


class Dask:
    """All instances at once on the workers of a running Dask cluster (`pip install "ctexport-dagster[dask]"`)."""

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        from distributed import Client  # an extra: loaded by those who use it alone

        with Client(self.scheduler, set_as_default=False) as client:
            futures = [client.submit(function, task, pure=False) for task in tasks]
            yield from (future.result() for future in futures)


def open_engine(setting: str) -> Engine:
    """The engine that `CTEXPORT_ENGINE` names: `in_process`, or a Dask scheduler as `dask://host:8786`.

    Raises:
        ConfigurationError: neither of them, or the extra isn't installed.
    """
    if setting in ("", "in_process"):
        return InProcess()
    if not setting.startswith("dask://"):
        message = f"{setting!r} is no engine; set in_process, or dask://host:port of a scheduler"
        raise ConfigurationError([Mistake("CTEXPORT_ENGINE", 0, "", message)])
    try:
        import distributed  # noqa: F401
    except ImportError:
        message = 'Dask is not installed; run pip install "ctexport-dagster[dask]"'
        raise ConfigurationError([Mistake("CTEXPORT_ENGINE", 0, "", message)]) from None
    return Dask("tcp://" + setting.removeprefix("dask://"))
