"""The sensors that watch for failures, on an instance whose time is simulated: what they mark, tell and stop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.utils import make_new_run_id
from dagster_home import DagsterHome
from line_fakes import TinyHome
from simulation import Clock, SimulatedInstance
from test_dagster_assets import DAYS, SECRETS, day, refusing

from ctexport_dagster.assets.attempts import WHOSE, tags_of_assets
from ctexport_dagster.core.history import Whose
from ctexport_dagster.core.letter import Letter, as_html, as_text
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.settings import Mail, Settings, Webhook
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.core.told import Cursor
from ctexport_dagster.line import Line
from ctexport_dagster.resources.telling import NotSent, Obstacle
from ctexport_dagster.running import switch
from ctexport_dagster.running.history import PARTITION
from ctexport_dagster.sensors.failures import FAILURE, flag_sensor, notices_sensor
from ctexport_dagster.sensors.telling import Post, post_of

START = datetime(2026, 11, 19, tzinfo=UTC)
OWNER, OPERATIONS = "growth@example.com", "operations@example.com"


@dataclass
class Outbox:
    """A way of telling that takes letters, but for what it is told to refuse."""

    taken: list[tuple[str, Letter]] = field(default_factory=list)
    obstacle: Obstacle | None = None
    refused: set[str] = field(default_factory=set)
    tries: int = 0

    def send(self, letter: Letter, *, to: str, now: datetime) -> None:
        self.tries += 1
        if self.obstacle or to in self.refused:
            raise NotSent("Telling", "it was refused", "Wait.", self.obstacle or "refused")
        self.taken.append((to, letter))

    @property
    def subjects(self) -> list[str]:
        return [f"{to}: {letter.subject}" for to, letter in self.taken]


@dataclass
class Watch:
    """The exports of a tiny home, watched by the sensor of notices."""

    instance: SimulatedInstance
    lines: Sequence[Line]
    post: Post
    cursor: str | None = None

    def __post_init__(self) -> None:
        self.sensor = notices_sensor(self.lines, {"disk": "local"}, self.post, self.instance.clock)

    def look(self, hours: float = 0) -> str:
        """Ticks the sensor after a time; gives what it said."""
        self.instance.clock.now += timedelta(hours=hours)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        told = self.sensor.evaluate_tick(context)
        self.cursor = told.cursor
        return told.skip_message or ""

    def fail(self, whose: Whose, *, export: str = "daily", hours: float = 0) -> DagsterRun:
        """A run that failed, as the assets leave it."""
        self.instance.clock.now += timedelta(hours=hours)
        return self.end([dg.AssetKey([export, "delivery"])], {WHOSE: whose}, is_success=False)

    def succeed(self, *, hours: float = 0) -> None:
        self.instance.clock.now += timedelta(hours=hours)
        self.end([dg.AssetKey(["daily", "delivery"])], {}, is_success=True)

    def end(self, assets: Sequence[dg.AssetKey], tags: dict[str, str], *, is_success: bool) -> DagsterRun:
        run = DagsterRun(
            job_name="__ASSET_JOB",
            run_id=make_new_run_id(),
            status=dg.DagsterRunStatus.STARTED,
            tags={**tags_of_assets(assets), PARTITION: "2026-11-18", **tags},
            asset_selection=frozenset(assets),
        )
        self.instance.add_run(run)
        if is_success:
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
            self.instance.report_dagster_event(event, run.run_id)
        else:
            self.instance.report_run_failed(run)
        return run


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SimulatedInstance]:
    instance = SimulatedInstance(Clock(START), tmp_path / "dagster")
    yield instance
    instance.dispose()


@pytest.fixture
def mail() -> Outbox:
    return Outbox()


@pytest.fixture
def watch(tiny_home: TinyHome, instance: SimulatedInstance, mail: Outbox) -> Watch:
    lines = [tiny_home.line("daily"), tiny_home.line("other", owner="other@example.com")]
    return Watch(instance, lines, Post(mail=mail, operations=OPERATIONS))


@pytest.mark.req("S11", "P37")
def test_a_refused_delivery_is_marked_on_its_run_and_asset_and_mailed_to_the_owner_without_a_value(
    tiny_home: TinyHome, instance: SimulatedInstance, mail: Outbox
) -> None:
    tiny_home.tell(DAYS[0], day(0))
    line = tiny_home.line("daily")
    home = DagsterHome(tiny_home, [line], refusing("customer"), instance, instance.clock)
    marks = flag_sensor([line])
    first = marks.evaluate_tick(dg.build_sensor_context(instance=instance))
    result = home.everything(DAYS[0])
    marks.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    run = instance.get_run_by_id(result.run_id)
    assert run
    assert "the door is shut (E1)" in run.tags[FAILURE]
    (observed,) = instance.fetch_observations(dg.AssetKey(["daily", "delivery"]), limit=10).records
    assert observed.partition_key == DAYS[0]
    assert observed.asset_observation
    assert observed.asset_observation.metadata["fix"].value == "Knock."
    watch = Watch(instance, [line], Post(mail=mail))
    watch.look()
    assert mail.subjects == [f"{OWNER}: daily can't be delivered (1 of 3)"]
    letter = mail.taken[0][1]
    assert "the door is shut (E1)" in as_text(letter)
    assert not [value for value in SECRETS if value in as_text(letter) + as_html(letter) + str(watch.cursor)]


def test_runs_of_other_assets_are_left_alone(watch: Watch) -> None:
    marks = flag_sensor(watch.lines)
    first = marks.evaluate_tick(dg.build_sensor_context(instance=watch.instance))
    run = watch.end([dg.AssetKey(["somebody", "elses"])], {}, is_success=False)
    marks.evaluate_tick(dg.build_sensor_context(instance=watch.instance, cursor=first.cursor))
    stored = watch.instance.get_run_by_id(run.run_id)
    assert stored
    assert FAILURE not in stored.tags


@pytest.mark.req("S11")
def test_the_owner_has_three_mails_and_the_export_is_stopped_with_the_third(watch: Watch, mail: Outbox) -> None:
    for hours in (1, 12, 12.5, 24, 23, 1.5):
        assert switch.is_on(watch.instance, "daily")
        watch.fail("customer", hours=hours)
        watch.look()
    assert not switch.is_on(watch.instance, "daily")
    assert mail.subjects == [
        f"{OWNER}: daily can't be delivered (1 of 3)",
        f"{OWNER}: daily still can't be delivered (2 of 3)",
        f"{OWNER}: daily was stopped (3 of 3)",
    ]
    assert switch.is_on(watch.instance, "other")
    watch.look(hours=30)
    assert len(mail.taken) == 3


@pytest.mark.req("S11")
def test_a_success_resets_and_a_start_does(watch: Watch, mail: Outbox) -> None:
    watch.fail("customer")
    watch.look()
    watch.succeed(hours=30)
    watch.look()
    watch.fail("customer", hours=1)
    watch.look()
    switch.stop(watch.instance, "daily")
    watch.look(hours=50)
    switch.start(watch.instance, "daily", now=watch.instance.clock())
    watch.look(hours=50)
    watch.fail("customer", hours=1)
    watch.look()
    assert mail.subjects == [f"{OWNER}: daily can't be delivered (1 of 3)"] * 3


@pytest.mark.req("S11")
@pytest.mark.parametrize("whose", ["transient", "ours", "input"])
def test_other_failures_go_to_operations_and_stop_nothing(watch: Watch, mail: Outbox, whose: Whose) -> None:
    for _ in range(9):
        watch.fail(whose, hours=9)
        watch.look()
    assert mail.subjects == [f"{OPERATIONS}: 1 export fails: daily"] * 3
    assert switch.is_on(watch.instance, "daily")


def test_one_mail_to_operations_is_about_all_that_fails(watch: Watch, mail: Outbox) -> None:
    watch.fail("ours")
    watch.fail("input", export="other")
    watch.look()
    watch.look(hours=2)
    assert mail.subjects == [f"{OPERATIONS}: 2 exports fail: daily, other"]


def test_a_source_that_fails_by_itself_is_told_to_operations_too(watch: Watch, mail: Outbox) -> None:
    watch.end([dg.AssetKey(["crm", "profiles"])], {WHOSE: "input"}, is_success=False)
    watch.look()
    assert mail.subjects == [f"{OPERATIONS}: 2 exports fail: daily, other"]


def test_it_looks_when_a_run_has_failed_and_else_once_an_hour(watch: Watch) -> None:
    assert watch.look().startswith("0 sent")
    assert watch.look(hours=0.5) == "no run has failed since the last check"
    watch.fail("customer", hours=0.1)
    assert watch.look().startswith("1 sent")
    assert watch.look(hours=1).startswith("0 sent")


def test_a_mail_server_that_is_down_gets_the_mail_at_the_next_look_once(watch: Watch, mail: Outbox) -> None:
    mail.obstacle = "down"
    watch.fail("customer")
    assert watch.look() == "0 sent, 1 to be sent again, 0 stopped"
    assert watch.look(hours=0.1) == "0 sent, 1 to be sent again, 0 stopped"
    mail.obstacle = None
    assert watch.look(hours=0.1) == "1 sent, 0 to be sent again, 0 stopped"
    watch.look(hours=2)
    assert len(mail.taken) == 1


def test_a_channel_that_is_down_is_tried_once_in_a_look(watch: Watch, mail: Outbox) -> None:
    mail.obstacle = "misconfigured"
    watch.fail("customer")
    watch.fail("customer", export="other")
    assert watch.look() == "0 sent, 2 to be sent again, 0 stopped"
    assert mail.tries == 1


def test_a_recipient_that_is_refused_keeps_nobody_else_from_being_told(watch: Watch, mail: Outbox) -> None:
    mail.refused = {OWNER}
    watch.fail("customer")
    watch.fail("customer", export="other")
    watch.look()
    assert mail.subjects == ["other@example.com: other can't be delivered (1 of 3)"]


@pytest.mark.req("S11")
def test_nobody_who_could_not_be_told_is_stopped(watch: Watch, mail: Outbox) -> None:
    mail.refused = {OWNER}
    for _ in range(10):
        watch.fail("customer", hours=13)
        watch.look()
    assert switch.is_on(watch.instance, "daily")


@pytest.mark.req("S11")
def test_without_mail_the_webhook_is_told_three_times_and_nothing_is_stopped(
    tiny_home: TinyHome, instance: SimulatedInstance
) -> None:
    chat = Outbox()
    watch = Watch(instance, [tiny_home.line("daily")], Post(webhook=chat))
    for _ in range(10):
        watch.fail("customer", hours=13)
        watch.look()
    assert [letter.subject for _, letter in chat.taken] == [
        "daily can't be delivered (1 of 3)",
        "daily still can't be delivered (2 of 3)",
        "daily still can't be delivered (3 of 3)",
    ]
    assert "It is not stopped" in as_text(chat.taken[-1][1])
    assert switch.is_on(instance, "daily")


def test_beside_mail_the_webhook_says_the_same_and_hears_of_the_stop_though_it_was_down(
    tiny_home: TinyHome, instance: SimulatedInstance, mail: Outbox
) -> None:
    chat = Outbox()
    watch = Watch(instance, [tiny_home.line("daily")], Post(mail=mail, webhook=chat, operations=OPERATIONS))
    for hours in (1, 25, 25, 25):
        chat.obstacle = "down" if instance.clock() > START + timedelta(hours=50) else None
        watch.fail("customer", hours=hours)
        watch.look()
    assert not switch.is_on(instance, "daily")
    assert len(chat.taken) == 2
    chat.obstacle = None
    watch.look(hours=2)
    assert [letter for _, letter in chat.taken] == [letter for _, letter in mail.taken]


def test_without_mail_and_webhook_nobody_is_told(tiny_home: TinyHome, instance: SimulatedInstance) -> None:
    watch = Watch(instance, [tiny_home.line("daily")], post_of(Settings(), Surroundings(tiny_home.root)))
    watch.fail("customer")
    assert "neither mail nor webhook" in watch.look()


@pytest.mark.req("A5")
def test_the_owner_is_warned_of_the_end_once(tiny_home: TinyHome, instance: SimulatedInstance, mail: Outbox) -> None:
    line = tiny_home.line("daily", schedule={"end": date(2026, 11, 28)})
    watch = Watch(instance, [line], Post(mail=mail))
    for _ in range(30):
        watch.look(hours=12)
    assert mail.subjects == [f"{OWNER}: daily ends on 2026-11-28"]


def test_the_cursor_forgets_what_is_over(watch: Watch) -> None:
    watch.look()
    empty = Cursor.read(watch.cursor)
    watch.fail("customer")
    watch.fail("ours", export="other")
    watch.look()
    assert Cursor.read(watch.cursor).mail != empty.mail
    watch.succeed(hours=1)
    watch.end([dg.AssetKey(["other", "delivery"])], {}, is_success=True)
    watch.look(hours=1)
    assert Cursor.read(watch.cursor).mail == empty.mail


def test_what_settings_declare_is_opened_without_a_secret_in_sight(tmp_path: Path) -> None:
    settings = Settings(
        operations=OPERATIONS,
        mail=Mail(host="h", sender="x@example.com", username=Secret("U"), password=Secret("P")),
        webhook=Webhook(url=Secret("HOOK")),
    )
    secrets = {"U": "user-zebra", "P": "word-zebra", "HOOK": "https://zebra"}
    post = post_of(settings, Surroundings(tmp_path, secrets))
    assert post.mail
    assert post.webhook
    assert "zebra" not in repr(post)
