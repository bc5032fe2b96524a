"""The two programs of a deployment on one home: Dagit answers, the daemon beats, both end when they are told to."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from dev_child import DevServer, dev_server
from waiting import comes_true

CTEXPORT = str(Path(sys.executable).with_name("ctexport"))
PATIENCE_SECONDS = 240
HEALTH = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose one export has nothing to do for a thousand years."""
    root = tmp_path / "home"
    (root / "assets").mkdir(parents=True)
    (root / "resources").mkdir()
    (root / "resources/crm.yaml").write_text("type: demo\nprofiles: 10\nstart: 3026-11-18\n")
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    (root / "assets/daily.yaml").write_text(
        "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 100000000\nformat: csv\n"
    )
    return root


def unhealthy(server: DevServer) -> list[str]:
    """The daemons that should run and haven't shown themselves."""
    instance = server.ask(HEALTH)["instance"]
    assert isinstance(instance, dict)
    statuses = instance["daemonHealth"]["allDaemonStatuses"]
    return [status["daemonType"] for status in statuses if status["required"] and not status["healthy"]]


@pytest.mark.xdist_group("serve")
@pytest.mark.timeout(600)
def test_the_webserver_and_the_daemon_serve_one_home(
    home: Path, tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    log = tmp_path / "webserver.log"
    with dev_server(home, child_environment, log, ("serve", "webserver")) as server:
        assert "daily/delivery" in server.asset_keys()
        assert unhealthy(server) != []
        environment = {**child_environment, "CTEXPORT_HOME": str(home)}
        with (tmp_path / "daemon.log").open("w") as said:
            daemon = subprocess.Popen([CTEXPORT, "serve", "daemon"], env=environment, stdout=said, stderr=said)
        try:
            comes_true(lambda: not unhealthy(server) or daemon.poll() is not None, PATIENCE_SECONDS)
            family = psutil.Process(daemon.pid).children(recursive=True)
            assert (unhealthy(server), daemon.poll()) == ([], None), (tmp_path / "daemon.log").read_text()
        finally:
            daemon.terminate()
        assert daemon.wait(timeout=60) == 0
        assert psutil.wait_procs(family, timeout=30)[1] == []
