"""The pools that keep the runs of one export, or of one source, apart: each has its limit before any run is queued.

Dagster gives a pool its default limit in the pass over the queue that first meets it, and doesn't heed it in that very
pass (1.13, op_concurrency_limits_counter.py): all queued runs of a new export would start at once, all but one to fail.
"""

from collections.abc import Iterable

import dagster as dg


def limit_pools(instance: dg.DagsterInstance, pools: Iterable[str]) -> None:
    """Gives these pools the default limit of dagster.yaml, unless they have one; does nothing where it has none."""
    storage = instance.event_log_storage
    if instance.global_op_concurrency_default_limit is None or not storage.supports_global_concurrency_limits:
        return
    known = {pool.name for pool in storage.get_pool_limits()}
    for pool in sorted(set(pools) - known):
        storage.initialize_concurrency_limit_to_default(pool)
