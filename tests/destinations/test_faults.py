"""What goes wrong on the way: its class, how often it is tried, nothing half-visible; and gone, a re-run completes."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cases import FAULTS, KINDS
from contract import under
from delivery_fakes import request
from fault_proxy import FaultProxy
from session_cases import Cases

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.delivery.request import DeliveryRequest, RetryPolicy
from ctexport_dagster.core.errors import DeliveryError

TRIES = 3
RETRIES = RetryPolicy(attempts=TRIES, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)
CONTENTS = {f"day/profiles-{number}.csv.gz": Random(number).randbytes(400_000 + number) for number in range(2)}
MATRIX = [
    pytest.param(kind, name, id=f"{KINDS[kind]}-{name.replace(' ', '_')}") for kind in KINDS for name in FAULTS[kind]
]


def asked(tmp_path: Path, attempt: str) -> DeliveryRequest:
    return replace(request(tmp_path, CONTENTS, attempt=attempt, parallel=1), retries=RETRIES)


@pytest.mark.req("A12", "P37", "S10")
@pytest.mark.parametrize(("kind", "name"), MATRIX)
def test_a_fault_is_classified_leaves_nothing_half_visible_and_once_gone_a_rerun_completes(
    cases: Cases, kind: str, name: str, tmp_path: Path, prefix: str
) -> None:
    case = cases.of(kind)
    fault = next(fault for fault in case.faults() if fault.name == name)
    with FaultProxy(case.endpoint, speaks_http=kind != "sftp") as proxy:
        declaration = case.declaration(proxy.endpoint, prefix=prefix, timeout_seconds=1)
        first = asked(tmp_path, "a1")
        with fault.inflict(proxy), pytest.raises(DeliveryError) as caught:
            deliver(first, declaration.open(case.surroundings))
        failure, left = caught.value.failure, under(case, prefix)
        tries = TRIES if failure.is_transient else 1
        assert failure.whose == fault.whose, str(caught.value)
        assert (proxy.inflicted if fault.counts else tries) == tries, str(caught.value)
        assert {key: content == CONTENTS.get(key) for key, content in left.items()} == dict.fromkeys(left, True)
        deliver(asked(tmp_path, "a2"), case.declaration(proxy.endpoint, prefix=prefix).open(case.surroundings))
    delivered = under(case, prefix)
    assert delivered.pop("day/daily-g1.manifest.json", None) is not None
    assert delivered == CONTENTS


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_the_guide_has_the_faults_of_a_kind_with_their_classes(cases: Cases, kind: str) -> None:
    faults = cases.of(kind).faults()
    assert {fault.name: fault.whose for fault in faults} == FAULTS[kind]
    assert len(faults) == len(FAULTS[kind]) >= 14
