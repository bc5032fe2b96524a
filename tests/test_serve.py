"""The two programs of a deployment on one home: Dagit answers, the daemon beats and queues, both end when told to."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dev_child import DevServer, dev_server
from waiting import comes_true

from ctexport_dagster import reader
from ctexport_dagster.instance import open_instance
from ctexport_dagster.running import switch

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.timeout(600)]

CTEXPORT = str(Path(sys.executable).with_name("ctexport"))
PATIENCE_SECONDS = 240
HEALTH = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
LAUNCH = """
mutation {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "ctexport_dagster", repositoryName: "__repository__", pipelineName: "__ASSET_JOB",
      assetSelection: [%s]
    }
    executionMetadata: {tags: [{key: "dagster/partition", value: "%s"}]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
ASSETS = ("crm/profiles", "daily/identity_resolved_profiles", "daily/formatted_chunks", "daily/delivery")
FIRST, SECOND = ((datetime.now(UTC) - timedelta(days=days)).date().isoformat() for days in (3, 2))
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Deployment:
    """A home that both programs serve, and what Dagster stores of it."""

    home: Path
    server: DevServer
    daemon: "subprocess.Popen[bytes]"
    environment: Mapping[str, str]
    instance: dg.DagsterInstance

    def unhealthy(self) -> list[str]:
        """The daemons that should run and haven't shown themselves."""
        instance = self.server.ask(HEALTH)["instance"]
        assert isinstance(instance, dict)
        statuses = instance["daemonHealth"]["allDaemonStatuses"]
        return [status["daemonType"] for status in statuses if status["required"] and not status["healthy"]]

    def launch(self, assets: Sequence[str], partition: str) -> str:
        """Launches a run as Dagit does; gives its id."""
        paths = ", ".join(f"{{path: {json.dumps(asset.split('/'))}}}" for asset in assets)
        launched = self.server.ask(LAUNCH % (paths, partition))["launchRun"]
        assert isinstance(launched, dict)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run.status

    def statuses_at_the_end(self, *run_ids: str) -> list[dg.DagsterRunStatus]:
        comes_true(lambda: {self.status(run_id) for run_id in run_ids} <= ENDED, PATIENCE_SECONDS)
        return [self.status(run_id) for run_id in run_ids]

    def limited_pools(self) -> set[str]:
        return {pool.name for pool in self.instance.event_log_storage.get_pool_limits()}

    def times(self, run_id: str) -> tuple[float, float]:
        """When a run began and ended."""
        record = self.instance.get_run_record_by_id(run_id)
        assert record
        assert record.start_time
        assert record.end_time
        return record.start_time, record.end_time

    def process_of(self, run_id: str) -> psutil.Process:
        events = (entry.dagster_event for entry in self.instance.all_logs(run_id))
        told = (event.engine_event_data.metadata for event in events if event and event.is_engine_event)
        return psutil.Process(next(int(str(one["pid"].value)) for one in told if "pid" in one))

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command, at work."""
        pipe = subprocess.PIPE
        return subprocess.Popen([CTEXPORT, *arguments], env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def said_by(self, command: "subprocess.Popen[str]") -> str:
        """What a command that ends well prints."""
        said, problem = command.communicate(timeout=PATIENCE_SECONDS)
        assert command.returncode == 0, problem
        return said

    def ctexport(self, *arguments: str) -> str:
        return self.said_by(self.begin(*arguments))

    @property
    def files(self) -> list[str]:
        """What lies at the destination, as whoever lists the folder sees it."""
        return sorted(path.name for path in (self.home / "exports").rglob("[!.]*") if path.is_file())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose one export is off, and delivers hundreds of small files for each day."""
    root = tmp_path_factory.mktemp("serve") / "home"
    (root / "assets").mkdir(parents=True)
    (root / "resources").mkdir()
    (root / "resources/crm.yaml").write_text(f"type: demo\nprofiles: 1000\nstart: {FIRST}\n")
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\nparallel_uploads: 1\n")
    (root / "assets/daily.yaml").write_text(
        "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 100000000\nformat: csv\n"
        "files: {chunk_size: 1 KB}\nschedule: {mode: full}\n"
    )
    with open_instance(root / ".ctexport/dagster", {}) as instance:
        switch.stop(instance, "daily")
    return root


@pytest.fixture(scope="module")
def deployment(home: Path, child_environment: Mapping[str, str]) -> Iterator[Deployment]:
    """Both programs; at the end the daemon ends well, and with it all that it started."""
    environment = {**child_environment, "CTEXPORT_HOME": str(home)}
    log = home.parent / "daemon.log"
    with (
        dev_server(home, child_environment, home.parent / "webserver.log", ("serve", "webserver")) as server,
        open_instance(home / ".ctexport/dagster", {}) as instance,
        log.open("w") as said,
    ):
        daemon = subprocess.Popen([CTEXPORT, "serve", "daemon"], env=environment, stdout=said, stderr=said)
        deployment = Deployment(home, server, daemon, environment, instance)
        try:
            assert "daily/delivery" in server.asset_keys()
            comes_true(lambda: not deployment.unhealthy() or daemon.poll() is not None, PATIENCE_SECONDS)
            family = psutil.Process(daemon.pid).children(recursive=True)
            assert (deployment.unhealthy(), daemon.poll()) == ([], None), log.read_text()
            yield deployment
        finally:
            daemon.terminate()
        assert daemon.wait(timeout=60) == 0
        assert psutil.wait_procs(family, timeout=30)[1] == []


def test_the_webserver_and_the_daemon_serve_one_home(deployment: Deployment) -> None:
    assert deployment.unhealthy() == []
    assert set(ASSETS) <= deployment.server.asset_keys()


@pytest.mark.req("P34", "B2")
def test_two_runs_of_one_export_never_overlap(deployment: Deployment) -> None:
    """Launched at once, the first of all; a lock would make the second fail, the queue makes it wait."""
    comes_true(lambda: {"export_daily", "source_crm"} <= deployment.limited_pools(), PATIENCE_SECONDS)
    runs = [deployment.launch(ASSETS, FIRST) for _ in range(2)]
    assert deployment.statuses_at_the_end(*runs) == [dg.DagsterRunStatus.SUCCESS] * 2
    (_, end), (start, _) = sorted(deployment.times(run) for run in runs)
    assert end <= start


@pytest.mark.req("P34", "B2")
def test_a_run_stopped_in_the_middle_of_its_delivery_leaves_nothing_half_visible_and_a_rerun_completes_it(
    deployment: Deployment,
) -> None:
    """Held still from its first file on until it is told to end, so that it can't come to its end before."""
    before = deployment.files
    run = deployment.launch(ASSETS, SECOND)
    assert comes_true(lambda: len(deployment.files) > len(before), PATIENCE_SECONDS, every=0.05)
    process = deployment.process_of(run)
    process.suspend()
    stopping = deployment.begin("stop", "daily", "--json")
    try:
        assert comes_true(lambda: deployment.status(run) == dg.DagsterRunStatus.CANCELING, PATIENCE_SECONDS)
    finally:
        process.resume()
    assert json.loads(deployment.said_by(stopping))["canceled"] == [run]
    assert deployment.statuses_at_the_end(run) == [dg.DagsterRunStatus.CANCELED]
    assert comes_true(lambda: not process.is_running(), PATIENCE_SECONDS)
    delivery = reader.open_delivery(deployment.home / "exports")
    assert [partition.key for partition in delivery.partitions] == [FIRST]
    sent = len(deployment.files) - len(before)

    deployment.ctexport("run", "daily", "--partition", SECOND)
    manifest = reader.open_delivery(deployment.home / "exports").partition(SECOND).manifest
    assert 0 < sent < len(manifest.files) == len(deployment.files) - len(before) - 1
    assert manifest.generation == 1
    deployment.ctexport("verify", "daily", "--partition", SECOND)
    assert list((deployment.home / "exports").rglob("*.part")) == []
