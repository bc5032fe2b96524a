"""What the README tells a new user to type works as it stands, in a fresh checkout with a fresh environment."""

import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
import stamina

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def commands() -> list[str]:
    """The lines of the README's shell blocks, comments cut off."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), flags=re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()]


def shown_deliveries() -> list[str]:
    """The deliveries that the README shows as the demo's, the first five words of each."""
    lines = (line.split() for line in README.read_text().splitlines() if line.startswith("    "))
    shown = [" ".join(words[:5]) for words in lines if "full" in words or "incremental" in words]
    assert len(shown) == 4
    return shown


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would check out, without this machine's environments and state."""
    folder = tmp_path_factory.mktemp("fresh") / "ctexport"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """This process's, but for what would point into its own home."""
    strange = ("CTEXPORT_", "DAGSTER_", "VIRTUAL_ENV", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


def typed(command: str, checkout: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=checkout, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_names_these_commands_and_no_others() -> None:
    assert commands() == [
        "make demo",
        "make dev",
        ".venv/bin/ctexport check",
        ".venv/bin/ctexport preview daily_profiles",
        ".venv/bin/ctexport run daily_profiles --partition 2026-11-18",
        ".venv/bin/ctexport list",
        "make test",
        "make bench",
    ]


@pytest.mark.xdist_group("readme")
@pytest.mark.timeout(900)
def test_its_commands_work_in_a_fresh_checkout(checkout: Path, environment: dict[str, str]) -> None:
    demo = typed("make demo", checkout, environment)
    assert demo.count("full") >= 6
    assert demo.count("incremental") >= 11
    said = {" ".join(line.split()[:5]) for line in demo.splitlines()}
    assert [line for line in shown_deliveries() if line not in said] == []
    files = [path.suffixes for path in (checkout / "exports").rglob("*") if path.is_file()]
    assert len(files) >= 24
    for command in commands()[2:6]:
        typed(command, checkout, environment)
    with dagit(checkout, environment) as port:
        assert "daily_profiles" in asked_for_assets(port)


def dagit(checkout: Path, environment: dict[str, str]) -> "Serving":
    return Serving(checkout, environment)


class Serving:
    """`make dev`'s command on a free port, ended with everything that it started."""

    def __init__(self, checkout: Path, environment: dict[str, str]) -> None:
        self.checkout, self.environment = checkout, environment

    def __enter__(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [".venv/bin/ctexport", "dev", "--port", str(port)],
            cwd=self.checkout,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)],
        )
        return port

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)


def asked_for_assets(port: int) -> str:
    """What Dagit's GraphQL says of the assets, once it answers."""
    query = b'{"query": "{ assetNodes { assetKey { path } groupName } }"}'
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", data=query, headers={"Content-Type": "application/json"}
    )
    for attempt in stamina.retry_context(on=OSError, attempts=None, timeout=120, wait_initial=0.5, wait_max=2):
        with attempt, urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()
    raise AssertionError("Dagit never answered")
