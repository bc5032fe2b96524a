"""Operations are told when most of the year's entitlement is used, and once more when all of it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from line_fakes import TinyHome
from simulation import Clock, SimulatedInstance
from test_failure_sensors import OPERATIONS, Outbox

from ctexport_dagster.core.entitlement import Usage
from ctexport_dagster.sensors.failures import notices_sensor
from ctexport_dagster.sensors.telling import Post

START = datetime(2026, 11, 19, tzinfo=UTC)
NEAR, OVER = (f"{percent} % of the export volume of 2026 is used" for percent in ("80.0", "100.1"))


@dataclass
class Watch:
    """A home whose volume is what the test says, looked at every hour."""

    home: TinyHome
    instance: SimulatedInstance
    mail: Outbox | None = field(default_factory=Outbox)
    webhook: Outbox | None = None
    operations: str | None = OPERATIONS
    cursor: str | None = None

    def look(self, used_bytes: int) -> None:
        """Ticks the sensor an hour after the last time."""
        self.instance.clock.now += timedelta(hours=1)
        sensor = notices_sensor(
            [self.home.line("daily")],
            {"disk": "local"},
            Post(mail=self.mail, webhook=self.webhook, operations=self.operations),
            self.instance.clock,
            lambda now: Usage(now.year, 1000, {"daily": used_bytes}),
        )
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        self.cursor = sensor.evaluate_tick(context).cursor


@pytest.fixture
def watch(tiny_home: TinyHome, tmp_path: Path) -> Iterator[Watch]:
    instance = SimulatedInstance(Clock(START), tmp_path / "dagster")
    yield Watch(tiny_home, instance)
    instance.dispose()


@pytest.mark.req("A11")
def test_operations_are_mailed_once_at_80_percent_and_once_over_100(watch: Watch) -> None:
    assert watch.mail
    for used_bytes in (0, 799, 800, 801, 950, 1000, 1001, 1002, 5000):
        watch.look(used_bytes)
    assert watch.mail.subjects == [f"{OPERATIONS}: {NEAR}", f"{OPERATIONS}: {OVER}"]


@pytest.mark.req("A11")
def test_a_warning_that_could_not_be_sent_is_sent_when_it_can_and_each_way_of_telling_gets_it_once(
    watch: Watch,
) -> None:
    assert watch.mail
    watch.webhook, watch.mail.obstacle = Outbox(), "down"
    watch.look(800)
    watch.look(800)
    assert (watch.mail.subjects, watch.webhook.subjects) == ([], [f"{OPERATIONS}: {NEAR}"])
    watch.mail.obstacle = None
    watch.look(800)
    watch.look(800)
    assert (watch.mail.subjects, watch.webhook.subjects) == ([f"{OPERATIONS}: {NEAR}"], [f"{OPERATIONS}: {NEAR}"])


def test_without_an_address_of_operations_only_the_webhook_hears_of_it(watch: Watch) -> None:
    assert watch.mail
    watch.operations, watch.webhook = None, Outbox()
    watch.look(800)
    assert (watch.mail.subjects, watch.webhook.subjects) == ([], [f": {NEAR}"])
