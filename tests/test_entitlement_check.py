"""The check on a delivery that tells of the year's volume, where the home declares an entitlement."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import polars as pl
import pytest
from dagster_home import DagsterHome
from line_fakes import Given, TinyHome

from ctexport_dagster.core.entitlement import Entitlement
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.resources.local import LocalDestination

DAY = "2026-11-18"


@pytest.fixture
def home(tiny_home: TinyHome, instance: dg.DagsterInstance) -> DagsterHome:
    tiny_home.tell(DAY, Given({"clevertapId": pl.String()}, ({"clevertapId": "a"},)))
    destination = LocalDestination(type="local", name="disk", folder="out")
    return DagsterHome(tiny_home, [tiny_home.line("daily")], destination, instance, clock=lambda: datetime.now(UTC))


def check_of(home: DagsterHome) -> dg.AssetCheckEvaluation | None:
    result = home.everything(DAY)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    return next((one for one in evaluations if one.check_name == "year_is_within_entitlement"), None)


@pytest.mark.req("A11")
@pytest.mark.parametrize(("allowed_bytes", "passes"), [(10**9, True), (1, False)])
def test_a_delivery_warns_when_most_of_the_entitlement_is_used(
    home: DagsterHome, allowed_bytes: int, passes: bool
) -> None:
    entitled = replace(home, settings=Settings(entitlement=Entitlement(add_ons={"extra": allowed_bytes})))
    check = check_of(entitled)
    assert check
    assert (check.passed, check.severity) == (passes, dg.AssetCheckSeverity.WARN)
    assert check.metadata["allowed bytes"].value == allowed_bytes
    assert check.metadata["used bytes"].value == check.metadata["used bytes by daily"].value
    assert ("more than the year's entitlement" in (check.description or "")) == (not passes)


def test_a_home_without_an_entitlement_has_no_such_check(home: DagsterHome) -> None:
    assert check_of(home) is None
