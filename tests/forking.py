"""Children forked from one clean process that has imported what they need: seconds a child, were it imported in each.

A test process has one such fork server, whoever starts it; so all that any child needs stands in one list. None of it
starts a thread, so that forking it is safe.
"""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import TypeVar

_SDKS = ["s3.client", "gcs.client", "azure.blob_client", "azure.adls_client", "sftp.ssh"]
_PRELOADED = [
    "delivery_child",
    "run_child",
    "ctexport_dagster.cli.app",
    "ctexport_dagster.cli.launching",
    *(f"ctexport_dagster.resources.{name}" for name in _SDKS),
]
"""A module that can't be imported, as that of an SDK which isn't installed, is passed over."""

Argument = TypeVar("Argument")

_SERVER = get_context("forkserver")


def fork(target: Callable[[Argument], None], argument: Argument) -> BaseProcess:
    """Runs a function in a child of its own."""
    _SERVER.set_forkserver_preload(_PRELOADED)
    process = _SERVER.Process(target=target, args=(argument,))
    process.start()
    return process
