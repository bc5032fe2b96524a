"""Errors of the core as Dagster failures: the sentence, the next step, and whether trying again can help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from filelock import Timeout

from ctexport_dagster.assets.attempts import note_attempt, note_failure
from ctexport_dagster.core.errors import Busy, ConcurrentWrite, DeliveryError, ExportError
from ctexport_dagster.core.history import whose_is
from ctexport_dagster.line import busy

NO_RETRY = {"dagster/retry_on_asset_or_op_failure": "false"}
"""Run retries, made by the daemon, look at this tag alone; `allow_retries` is for those within a run."""


@contextmanager
def reported(context: dg.AssetExecutionContext, name: str) -> Iterator[None]:
    """Raises what the core raises on purpose as `dagster.Failure`; anything else passes through as it is.

    Either way the run is marked as what it is: an attempt at its exports, and, when it fails, whose to mend.
    """
    note_attempt(context)
    try:
        yield
    except (Timeout, ExportError) as problem:
        told = busy(name, problem) if isinstance(problem, Timeout) else problem
        if not may_pass(told):
            context.instance.add_run_tags(context.run.run_id, NO_RETRY)
        note_failure(context, whose_is(told))
        raise _failure(told) from None  # what happened is a sentence: its tracebacks would bury it in the step's log
    except Exception:
        note_failure(context, "ours")
        raise


def _failure(problem: ExportError) -> dg.Failure:
    return dg.Failure(
        description=str(problem),
        metadata={
            "attempted": problem.attempted,
            "happened": problem.happened,
            "next step": problem.next_step,
            "kind": type(problem).__name__,
            **(
                {"code": problem.failure.code, "cause": problem.failure.cause}
                if isinstance(problem, DeliveryError)
                else {}
            ),
        },
        allow_retries=may_pass(problem),
    )


def may_pass(problem: ExportError) -> bool:
    """Whether the same run may succeed later without anybody mending anything."""
    if isinstance(problem, DeliveryError):
        return problem.failure.is_transient
    return isinstance(problem, ConcurrentWrite | Busy)
