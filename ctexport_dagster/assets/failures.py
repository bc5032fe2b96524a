"""Errors of the core as Dagster failures: the sentence, the next step, and whether trying again can help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from filelock import Timeout

from ctexport_dagster.core.errors import ConcurrentWrite, DeliveryError, ExportError
from ctexport_dagster.line import busy


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Raises what the core raises on purpose as `dagster.Failure`; anything else passes through as it is."""
    try:
        yield
    except Timeout as problem:
        raise _failure(busy(name, problem)) from problem
    except ExportError as problem:
        raise _failure(problem) from problem


def _failure(problem: ExportError) -> dg.Failure:
    return dg.Failure(
        description=str(problem),
        metadata={
            "attempted": problem.attempted,
            "happened": problem.happened,
            "next step": problem.next_step,
            "kind": type(problem).__name__,
        },
        allow_retries=_may_pass(problem),
    )


def _may_pass(problem: ExportError) -> bool:
    """Whether the same run may succeed later without anybody mending anything."""
    if isinstance(problem, DeliveryError):
        return problem.failure.is_transient
    return isinstance(problem, ConcurrentWrite)
