"""From which partition on a dataset goes out with its flow."""

import pytest

from ctexport_dagster.core.datasets.firsts import FirstPartitions

BOTH = FirstPartitions(datasets={"a": None, "b": "2026-11-02"})


def test_the_datasets_of_a_flow_that_never_ran_begin_with_it() -> None:
    noted = FirstPartitions().with_run(["a", "b"], "2026-11-05", newest=None, following="2026-11-06")
    assert noted.datasets == {"a": None, "b": None}


@pytest.mark.req("A10")
def test_a_new_dataset_begins_with_the_next_partition_also_where_a_re_run_comes_first() -> None:
    for partition, first in (("2026-11-03", "2026-11-03"), ("2026-11-01", "2026-11-03")):
        noted = BOTH.with_run(["a", "b", "c"], partition, newest="2026-11-02", following="2026-11-03")
        assert noted.datasets == {"a": None, "b": "2026-11-02", "c": first}


@pytest.mark.req("A10")
def test_a_dataset_that_was_removed_is_forgotten() -> None:
    noted = BOTH.with_run(["a"], "2026-11-03", newest="2026-11-02", following="2026-11-03")
    assert noted.datasets == {"a": None}


def test_what_was_noted_is_read_back() -> None:
    assert FirstPartitions.model_validate_json(BOTH.model_dump_json()) == BOTH
