"""Every kind of destination keeps the contract: whole exports arrive, each file once, and nobody else's is touched."""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from contract import Case, under, without_manifests
from delivery_fakes import EMPTY_FILE, request
from line_fakes import Given, TinyHome
from lxml import etree

from ctexport_dagster import reader
from ctexport_dagster.cli.check import CanaryDestination, CheckedDestination
from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.engine import InProcess
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.identity import resolve_partition

DAY = "2026-11-18"
NAMES = ["Zoë", "हिन्दी", "👩‍🚀", "a,b", 'say "yes"', "two\nlines", "<&>"]
PEOPLE = Given(
    {"clevertapId": pl.String(), "Email": pl.String(), "Name": pl.String(), "notes": pl.String()},
    tuple(
        {
            "clevertapId": f"id{number:04}",
            "Email": f"{number}@example.com",
            "Name": NAMES[number % len(NAMES)],
            "notes": hashlib.shake_256(str(number).encode()).hexdigest(100),
        }
        for number in range(1200)
    ),
)
TWO = {"day/a.csv.gz": b"one" * 1000, "day/b.csv.gz": b"two" * 1000}
ONE_CHANGED = {"day/a.csv.gz": b"one" * 1000, "day/b.csv.gz": b"changed" * 1000}


def fetched(case: Case, prefix: str, folder: Path) -> Path:
    for key, content in under(case, prefix).items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def staged(tmp_path: Path, content: bytes, key: str) -> Upload:
    path = tmp_path / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return Upload(path, key, len(content), path.name, "a1", overwrites=False)


def names_by_another_reader(format_: str, paths: list[Path]) -> Iterator[tuple[str, str]]:
    """clevertapId and Name of every row, read by nothing of ours."""
    for path in paths:
        match format_:
            case "csv":
                with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                    yield from ((row["clevertapId"], row["Name"]) for row in csv.DictReader(file))
            case "json":
                with gzip.open(path, "rt", encoding="utf-8") as file:
                    yield from ((row["clevertapId"], row["Name"]) for row in map(json.loads, file))
            case "xml":
                with gzip.open(path) as file:
                    yield from map(named_in_xml, etree.parse(file).iter("Profile"))
            case "parquet":
                columns = "profileIdentities['clevertapId'].member0, profileProps['Name'].member5"
                yield from duckdb.sql(f"select {columns} from read_parquet('{path}')").fetchall()


def named_in_xml(profile: etree._Element) -> tuple[str, str]:
    entries = {entry.findtext("key"): entry.findtext("value") for entry in profile.iter("entry")}
    return str(entries["clevertapId"]), str(entries["Name"])


@pytest.mark.req("P1", "P2", "B1")
@pytest.mark.parametrize("format_", ["csv", "json", "xml", "parquet"])
def test_a_whole_export_arrives_and_two_readers_read_it_back(
    case: Case, tiny_home: TinyHome, tmp_path: Path, prefix: str, format_: str
) -> None:
    line = tiny_home.line("daily", format=format_, files={"chunk_size": "50 KB", "folder": "run_date"})
    tiny_home.tell(DAY, PEOPLE)
    tiny_home.ingest(DAY)
    resolve_partition(line, DAY, engine=InProcess(), run_id="run")
    format_partition(line, DAY, engine=InProcess(), run_id="run")
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    outcome = deliver_partition(line, DAY, destination, run_id="run")
    partition = reader.open_delivery(fetched(case, prefix, tmp_path / "fetched")).partition(DAY)
    expected = {row["clevertapId"]: row["Name"] for row in PEOPLE.rows}
    assert (outcome.sent_files > 1, partition.verify()) == (True, ())
    assert {row["clevertapId"]: row["Name"] for row in partition.rows()} == expected
    paths = [partition.folder / file.key for file in partition.manifest.files]
    assert dict(names_by_another_reader(format_, paths)) == expected


@pytest.mark.req("B2", "A13")
def test_the_same_delivery_again_changes_nothing(case: Case, tmp_path: Path, prefix: str) -> None:
    declaration = case.declaration(prefix=prefix)
    deliver(request(tmp_path, TWO), declaration.open(case.surroundings))
    before = under(case, prefix)
    outcome = deliver(request(tmp_path, TWO, attempt="a2"), declaration.open(case.surroundings))
    assert (outcome.status, under(case, prefix)) == ("unchanged", before)


@pytest.mark.req("A13")
def test_changed_bytes_overwrite_where_that_is_allowed(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    deliver(request(tmp_path, TWO), destination)
    deliver(request(tmp_path, ONE_CHANGED, attempt="a2"), destination)
    assert without_manifests(under(case, prefix)) == ONE_CHANGED


def test_a_key_no_longer_used_gets_the_empty_file(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    deliver(request(tmp_path, TWO), destination)
    one = {"day/a.csv.gz": TWO["day/a.csv.gz"]}
    deliver(request(tmp_path, one, attempt="a2"), destination)
    assert without_manifests(under(case, prefix)) == {**one, "day/b.csv.gz": EMPTY_FILE}


def test_new_names_replace_nothing(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    deliver(request(tmp_path, TWO, on_rerun="new_names"), destination)
    before = under(case, prefix)
    deliver(request(tmp_path, ONE_CHANGED, attempt="a2", on_rerun="new_names"), destination)
    after = under(case, prefix)
    assert {key: after[key] for key in before} == before
    assert after["day/b-g2.csv.gz"] == ONE_CHANGED["day/b.csv.gz"]
    assert Manifest.from_json(after["day/daily-g2.manifest.json"].decode()).supersedes == 1


def test_an_empty_partition_has_a_manifest_alone(case: Case, tmp_path: Path, prefix: str) -> None:
    deliver(request(tmp_path, {}), case.declaration(prefix=prefix).open(case.surroundings))
    assert list(under(case, prefix)) == ["daily-g1.manifest.json"]


def test_an_empty_file_arrives(case: Case, tmp_path: Path, prefix: str) -> None:
    case.declaration(prefix=prefix).open(case.surroundings).put(staged(tmp_path, b"", "empty.csv.gz"))
    assert under(case, prefix) == {"empty.csv.gz": b""}


@pytest.mark.req("P32")
@pytest.mark.parametrize("key", ["día/Zoë-हिन्दी-👩‍🚀.csv.gz", "a+b=c&d;e,f@g!'(h)[i]{j}#k~.csv", "100%25?.csv"])
def test_keys_of_any_script_arrive_to_the_letter(case: Case, tmp_path: Path, prefix: str, key: str) -> None:
    case.declaration(prefix=prefix).open(case.surroundings).put(staged(tmp_path, b"content", key))
    assert under(case, prefix) == {key: b"content"}


def test_somebody_elses_file_is_never_overwritten(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    destination.put(staged(tmp_path, b"theirs", "a.csv"))
    with pytest.raises(DeliveryError) as caught:
        destination.put(staged(tmp_path, b"ours", "a.csv"))
    assert (caught.value.failure.whose, under(case, prefix)) == ("customer", {"a.csv": b"theirs"})


def test_an_earlier_try_of_our_own_is_success(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    upload = staged(tmp_path, b"ours", "a.csv")
    destination.put(upload)
    assert destination.put(replace(upload, may_lie_there=True)) in ("written", "already_there")
    assert under(case, prefix) == {"a.csv": b"ours"}


def test_the_prefix_is_a_part_of_the_address_and_of_the_key(case: Case, tmp_path: Path, prefix: str) -> None:
    destination = case.declaration(prefix=f"{prefix}/deep").open(case.surroundings)
    destination.put(staged(tmp_path, b"x", "a.csv"))
    assert list(under(case, prefix)) == ["deep/a.csv"]
    assert destination.address("a.csv").endswith(f"{prefix}/deep/a.csv")


def test_opening_and_the_address_need_no_secret_and_no_network(case: Case, prefix: str) -> None:
    nowhere = case.declaration(("127.0.0.1", 9), prefix=prefix)
    assert f"{prefix}/a.csv" in nowhere.open(Surroundings(case.surroundings.home)).address("a.csv")


def test_a_canary_is_written_under_its_marked_key(case: Case, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    assert isinstance(destination, CanaryDestination)
    assert destination.canary() is None
    assert [key.split("/")[0] for key in under(case, prefix)] == [".ctexport-canary"]


def test_a_destination_whose_credentials_are_there_has_nothing_to_complain_of(case: Case, prefix: str) -> None:
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    assert isinstance(destination, CheckedDestination)
    assert destination.check() is None
