"""Rights to write alone suffice for whole exports; rights that don't are the customer's to mend, with the fix."""

from dataclasses import replace
from pathlib import Path

import pytest
from cases import KINDS
from contract import under
from delivery_fakes import request
from session_cases import Cases

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.errors import DeliveryError

CLOUDS = [pytest.param(kind, id=name) for kind, name in KINDS.items() if kind != "local"]
TWO = {"day/a.csv.gz": b"one" * 1000, "day/b.csv.gz": b"two" * 1000}
CHANGED = {"day/a.csv.gz": b"one" * 1000, "day/b.csv.gz": b"changed" * 1000}


@pytest.mark.req("P2", "S1", "S6", "S7", "G1")
@pytest.mark.parametrize("kind", CLOUDS)
def test_a_grant_that_lets_us_write_is_enough_for_exports_and_their_reruns(
    cases: Cases, kind: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    case = cases.of(kind)
    for number, grant in enumerate(grant for grant in case.grants() if grant.suffices):
        with subtests.test(grant.name):
            prefix, state = f"grant-{number}", tmp_path / str(number)
            destination = grant.declare(prefix).open(grant.surroundings)
            deliver(request(state, TWO, on_rerun="new_names"), destination)
            deliver(request(state, CHANGED, attempt="a2", on_rerun="new_names"), destination)
            assert set(under(case, prefix)) == {
                "day/a.csv.gz",
                "day/b.csv.gz",
                "day/b-g2.csv.gz",
                "day/daily-g1.manifest.json",
                "day/daily-g2.manifest.json",
            }


@pytest.mark.req("P37", "S10")
@pytest.mark.parametrize("kind", CLOUDS)
def test_a_grant_that_does_not_let_us_write_is_the_customers_and_tried_once(
    cases: Cases, kind: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    case = cases.of(kind)
    for number, grant in enumerate(grant for grant in case.grants() if not grant.suffices):
        with subtests.test(grant.name):
            prefix = f"no-grant-{number}"
            asked = replace(request(tmp_path / str(number), TWO), parallel=1)
            with pytest.raises(DeliveryError) as caught:
                deliver(asked, grant.declare(prefix).open(grant.surroundings))
            failure = caught.value.failure
            assert (failure.whose, failure.fix != "", failure.cause != "") == ("customer", True, True)
            assert under(case, prefix) == {}


@pytest.mark.parametrize("kind", CLOUDS)
def test_every_kind_has_a_grant_that_suffices_and_one_that_does_not(cases: Cases, kind: str) -> None:
    assert {grant.suffices for grant in cases.of(kind).grants()} == {True, False}
