"""kill -9 of `ctexport run` on its way to every destination, then the command again: nothing missing, torn or twice."""

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from case_local import LocalCase
from contract import Address, Case, under, without_manifests
from declared_home import write_home
from fault_proxy import FaultProxy
from run_child import Command, start

from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.home import DestinationDeclaration
from ctexport_dagster.instance import open_instance
from ctexport_dagster.reader import open_delivery

DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")
PROFILES = 300
MIDDLE_BYTES = 30_000
"""Of an upload of some 80 KB in four files: more than any handshake, less than all of it."""
SOURCE = f"type: files\nprofiles: data/{{{{Partition}}}}.ndjson\nstart: {DAYS[0]}\n"
EXPORT = """\
owner: growth@example.com
source: crm
destination: there
account_id: 100000000
format: csv
files: {folder: run_date, chunk_size: 20 KB}
"""


@dataclass(frozen=True)
class Delivery:
    """What can be seen of one partition's delivery from outside; the watched bytes are those sent to the server."""

    record: Path
    exports: Path | None = None
    """Where temporary names of uploads show, on a disk."""
    sent_bytes: int = 0

    @property
    def is_planned(self) -> bool:
        return self._plan.exists()

    @property
    def has_sent_every_file(self) -> bool:
        """As the journal has it: all but the manifest, which is one more."""
        journal = self.record / "journal-g1.jsonl"
        if not self.is_planned or not journal.exists():
            return False
        sent = journal.read_text().count('"event": "sent"')
        return sent == len(json.loads(self._plan.read_text())["files"])

    @property
    def has_a_part(self) -> bool:
        return self.exports is not None and any(self.exports.glob("**/.*.part"))

    @property
    def _plan(self) -> Path:
        return self.record / "plan-g1.json"


Point = Callable[[Delivery], bool]
POINTS: Mapping[str, Point] = {
    "after the plan": lambda delivery: delivery.is_planned,
    "in the middle of an upload": lambda delivery: delivery.sent_bytes > MIDDLE_BYTES or delivery.has_a_part,
    "after the last file, before the manifest": lambda delivery: delivery.has_sent_every_file,
}


@dataclass(frozen=True)
class Home:
    """A home whose export goes to one destination, and the environment of its commands."""

    root: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, root: Path, environment: Mapping[str, str], dagster: Path) -> "Home":
        (root / "data").mkdir(parents=True)
        for day in DAYS:
            (root / f"data/{day}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows(day)))
        shutil.copytree(dagster, root / "state/dagster")
        own = {"CTEXPORT_HOME": str(root), "CTEXPORT_STATE": str(root / "state")}
        return cls(root, {**environment, **own})

    def declare(self, declaration: DestinationDeclaration) -> None:
        write_home(self.root, declaration, export=EXPORT, source=SOURCE)

    def command(self, *arguments: str) -> Command:
        return Command(self.root, ("run", "daily", *arguments), self.environment, self.root / "said")

    def record(self, day: str) -> Path:
        return self.root / "state/deliveries/daily" / day


def rows(day: str) -> Iterator[Mapping[str, str]]:
    """Every profile changes each day, and hardly compresses."""
    for number in range(PROFILES):
        notes = hashlib.shake_256(f"{day} {number}".encode()).hexdigest(250)
        yield {"clevertapId": f"id{number:04}", "notes": notes}


@pytest.fixture(scope="session")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Dagster home, ready to be copied: to make one takes a second."""
    folder = tmp_path_factory.mktemp("dagster") / "home"
    open_instance(folder, {}).dispose()
    return folder


def kill(home: Home, day: str, point: Point, way: FaultProxy | Path) -> None:
    """Runs a partition, and kills it at the point: before a proxy lets another byte pass; on a disk once it is seen."""
    is_watched = isinstance(way, Path)
    process = start(replace(home.command("--partition", day), niceness=19 if is_watched else 0))
    if isinstance(way, Path):
        while process.is_alive() and not point(Delivery(home.record(day), way)):
            process.join(0.0005)
        process.kill()
        process.join()
    else:
        with letting_pass_until(way, home.record(day), point, process):
            process.join()
    assert process.exitcode == -signal.SIGKILL, (home.root / "said").read_text()


@contextmanager
def letting_pass_until(proxy: FaultProxy, record: Path, point: Point, process: BaseProcess) -> Iterator[None]:
    proxy.forget()

    def look(sent_bytes: int) -> None:
        if point(Delivery(record, sent_bytes=sent_bytes)):
            process.kill()
            raise ConnectionAbortedError

    proxy.on_bytes = look
    try:
        yield
    finally:
        proxy.on_bytes = None


def assert_manifests_stand(found: Mapping[str, bytes]) -> int:
    """Whoever sees a manifest finds every one of its files, whole. How many manifests there are."""
    manifests = [Manifest.from_json(text.decode()) for key, text in found.items() if key.endswith(".manifest.json")]
    for manifest in manifests:
        for file in manifest.files:
            content = found[file.key]
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    return len(manifests)


def assert_each_profile_once_a_day(found: Mapping[str, bytes], folder: Path) -> None:
    for key, content in found.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    delivery = open_delivery(folder)
    assert [partition.key for partition in delivery.partitions] == list(DAYS)
    for partition in delivery.partitions:
        assert partition.verify() == ()
        delivered = sorted((row["clevertapId"], row["notes"]) for row in partition.rows())
        assert delivered == [(row["clevertapId"], row["notes"]) for row in rows(partition.key)]
    promised = {file.key for partition in delivery.partitions for file in partition.manifest.files}
    assert set(without_manifests(found)) == promised


@contextmanager
def way_to(case: Case) -> Iterator[tuple[FaultProxy | Path, Address]]:
    """A proxy before the case's server, or the folder of a disk; and the endpoint to declare."""
    if isinstance(case, LocalCase):
        yield case.exports, case.endpoint
        return
    with FaultProxy(case.endpoint, speaks_http=case.kind != "sftp") as proxy:
        yield proxy, proxy.endpoint


@pytest.mark.req("B2", "B1")
def test_runs_killed_on_their_way_to_a_destination_are_completed_by_the_next_one(
    case: Case, tmp_path: Path, prefix: str, dagster: Path, child_environment: Mapping[str, str]
) -> None:
    home = Home.make(tmp_path / "home", {**child_environment, **case.surroundings.environment}, dagster)
    with way_to(case) as (way, endpoint):
        home.declare(case.declaration(endpoint, prefix=prefix))
        for day, point in zip(DAYS, POINTS.values(), strict=True):
            kill(home, day, point, way)
            manifests = assert_manifests_stand(under(case, prefix))
            assert Delivery(home.record(day)).is_planned
            assert manifests == 0 or isinstance(way, Path)
        again = start(home.command("--from", DAYS[0], "--to", DAYS[-1]))
        again.join()
    assert again.exitcode == 0, (home.root / "said").read_text()
    found = under(case, prefix)
    assert assert_manifests_stand(found) == len(DAYS)
    assert_each_profile_once_a_day(found, tmp_path / "fetched")
