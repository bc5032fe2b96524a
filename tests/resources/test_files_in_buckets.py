"""Files in buckets: profiles, events and tables read from a server on the loopback for each of the three clouds."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from case_azure_blob import ACCOUNT, CONTAINER, AzureBlobCase
from case_azure_blob import make_case as azure_case
from case_gcs import BUCKET as GCS_BUCKET
from case_gcs import make_case as gcs_case
from case_gcs import variable
from case_s3 import BUCKET as S3_BUCKET
from case_s3 import REGION, S3Case
from contract import ServerMissing
from gcs_xml import XmlApi
from left_out import leave_out
from servers import free_port

from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import ConfigurationError, SourceMissing, SourceUnreadable
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.buckets import Bucket
from ctexport_dagster.resources.files.declaration import Files, FilesSource
from ctexport_dagster.resources.files.templates import key_expression, without_wildcards

pytestmark = pytest.mark.xdist_group("files-in-buckets")  # one server of each kind for all of them

DAY, NEXT = "2026-11-01", "2026-11-02"
QUICK = {"retry_seconds": 0, "connect_timeout_seconds": 5, "read_timeout_seconds": 10}


@dataclass(frozen=True)
class Shelf:
    """A bucket with a running server: how it is declared, filled, and asked for too much."""

    root: str
    storage: Mapping[str, object]
    powerless: Mapping[str, object]
    """What changes `storage` to credentials that may not read."""
    refused: Mapping[str, object]
    """What changes it to credentials that are none any more."""
    put: Callable[[str, bytes], None]
    environment: Mapping[str, str]
    extra: str

    def source(self, **settings: object) -> FilesSource:
        given = {"name": "crm", "start": date(2026, 11, 1), "storage": {**QUICK, **self.storage}, **settings}
        return FilesSource.model_validate(given)

    def opened(self, home: Path, **settings: object) -> Files:
        return self.source(**settings).open(Surroundings(home, self.environment))


@pytest.fixture(scope="module", params=["s3", "gcs", "azure"])
def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]
) -> Iterator[Shelf]:
    made = {"s3": _s3, "gcs": _gcs, "azure": _azure}[request.param](
        tmp_path_factory.mktemp(request.param), child_environment
    )
    try:
        shelf = next(made)
    except ServerMissing as missing:
        leave_out(f"the server of {request.param}", str(missing))
    yield shelf
    next(made, None)


def _s3(folder: Path, environment: Mapping[str, str]) -> Iterator[Shelf]:
    case = S3Case(folder, environment)
    place = {"region": REGION, "endpoint_url": f"http://127.0.0.1:{case.endpoint[1]}"}
    keys = {"access_key_id": {"env": "ADMIN_KEY"}, "secret_access_key": {"env": "ADMIN_SECRET"}}
    weak = {"access_key_id": {"env": "ROLE_TAKER_KEY"}, "secret_access_key": {"env": "ROLE_TAKER_SECRET"}}
    none = {"access_key_id": {"env": "EXTERNAL_ID"}}
    yield Shelf(f"s3://{S3_BUCKET}", {**place, **keys}, weak, none, case.change, case.surroundings.environment, "s3")
    case.close()


def _gcs(folder: Path, environment: Mapping[str, str]) -> Iterator[Shelf]:
    case = gcs_case(folder, environment)
    xml = XmlApi(case.endpoint)
    storage = {"endpoint_url": xml.url, "key_json": {"env": variable(case.viewer)}}
    weak = {"key_json": {"env": variable(case.creator)}}
    former = case.gatekeeper.account("former", "objectViewer")
    former.is_disabled = True
    none = {"key_json": {"env": variable(former)}}
    environment = {**case.surroundings.environment, variable(former): former.key_json}
    yield Shelf(f"gs://{GCS_BUCKET}", storage, weak, none, case.change, environment, "gcs")
    xml.close()
    case.close()


def _azure(folder: Path, environment: Mapping[str, str]) -> Iterator[Shelf]:
    case = azure_case(folder, environment)
    assert isinstance(case, AzureBlobCase)
    storage = {
        "endpoint_url": f"http://127.0.0.1:{case.endpoint[1]}/{ACCOUNT}",
        "storage_account": ACCOUNT,
        "sas_token": {"env": "READ_LIST"},
    }
    weak = {"sas_token": {"env": "CREATE_WRITE"}}
    none = {"sas_token": {"env": "EXPIRED"}}
    yield Shelf(f"az://{CONTAINER}", storage, weak, none, case.change, case.surroundings.environment, "azure")
    case.close()


def frames(found: Iterator[object]) -> list[dict[str, object]]:
    return [row for batch in found for row in batch.frame.to_dicts()]  # pyright: ignore[reportAttributeAccessIssue]


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.req("B9")
def test_profiles_are_read_from_a_bucket(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(f"p/{DAY}/b.parquet", parquet(pl.DataFrame({"clevertapId": ["b"], "age": [2]})))
    shelf.put(f"p/{DAY}/a ü.ndjson.gz", gzip.compress(b'{"clevertapId":"a","age":1}\n'))
    shelf.put(f"p/{NEXT}/c.ndjson", b'{"clevertapId":"c"}\n')
    source = shelf.opened(tmp_path, profiles=f"{shelf.root}/p/{{{{Partition}}}}/*")
    given = source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    assert given.places == (f"{shelf.root}/p/{DAY}/a ü.ndjson.gz", f"{shelf.root}/p/{DAY}/b.parquet")
    rows = frames(iter(given.batches()))
    assert [(row["age"], str(row["clevertapId"])) for row in rows] == [(1, "a"), (2, str(b"b"))]
    again = source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    assert again.fingerprint == given.fingerprint
    shelf.put(f"p/{DAY}/b.parquet", parquet(pl.DataFrame({"clevertapId": ["x"], "age": [2]})))
    changed = source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    assert changed.fingerprint != given.fingerprint


@pytest.mark.req("B9")
def test_events_are_read_from_a_bucket_named_by_their_path(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(f"e/{DAY}/App Launched.json", b'{"profile":{"objectId":"1"},"ts":20261101120000,"eventProps":{"a":1}}\n')
    source = shelf.opened(tmp_path, events=f"{shelf.root}/e/{{{{Partition}}}}/{{{{Event-name}}}}.json")
    (row,) = frames(iter(source.events(DAY, source.declaration.cadence.window_of(DAY)).batches()))
    assert (row["eventName"], row["eventProps"]) == ("App Launched", '{"a":1}')


@pytest.mark.req("A3", "B9")
def test_a_table_in_a_bucket_grows_by_the_files_that_arrive(shelf: Shelf, tmp_path: Path) -> None:
    source = shelf.opened(tmp_path, datasets={"orders": f"{shelf.root}/d/**/*.csv"})

    def of(day: str, since: str | None, upto: str | None = None) -> tuple[list[dict[str, object]], str | None]:
        span = Span(day, source.declaration.cadence.window_of(day), since, upto)
        given = source.dataset("orders", span)
        return frames(iter(given.batches())), given.upto

    shelf.put("d/a.csv", b"id\n1\n")
    first, seen = of(DAY, None)
    shelf.put("d/deep/er/b.csv", b"id\n2\n")
    second, all_seen = of(NEXT, seen)
    assert (first, second) == ([{"id": "1"}], [{"id": "2"}])
    assert of(NEXT, seen, all_seen) == (second, all_seen)
    shelf.put("d/a.csv", b"id\n3\n")
    with pytest.raises(SourceUnreadable, match=f"{shelf.root}/d/a.csv has changed since it was read"):
        of(NEXT, seen)


def test_nothing_of_a_download_is_left_behind(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("t/a.ndjson", b'{"clevertapId":"a"}\n')
    source = shelf.source(profiles=f"{shelf.root}/t/{{{{Partition}}}}.ndjson")
    surroundings = Surroundings(tmp_path, shelf.environment)
    bucket = Bucket.of(f"{shelf.root}/t/*", source.storage, surroundings, source.name)
    (file,) = bucket.find(f"{shelf.root}/t/*", DAY).files
    with file.here() as path:
        assert path.read_bytes() == b'{"clevertapId":"a"}\n'
    assert not path.parent.exists()


def test_a_file_that_changes_after_it_was_listed_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(f"c/{DAY}.ndjson", b'{"clevertapId":"a"}\n')
    source = shelf.opened(tmp_path, profiles=f"{shelf.root}/c/{{{{Partition}}}}.ndjson")
    given = source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    shelf.put(f"c/{DAY}.ndjson", b'{"clevertapId":"b"}\n')
    with pytest.raises(SourceUnreadable, match=f"Reading {shelf.root}/c/{DAY}.ndjson: it changed after it was listed"):
        list(given.batches())


def test_a_broken_file_is_told_by_its_url(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(f"x/{DAY}.parquet", b"no parquet")
    source = shelf.opened(tmp_path, profiles=f"{shelf.root}/x/{{{{Partition}}}}.parquet")
    given = source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    with pytest.raises(SourceUnreadable, match=f"^Reading {shelf.root}/x/{DAY}.parquet: it is no whole Parquet file"):
        list(given.batches())


def test_no_file_in_a_bucket_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    source = shelf.opened(tmp_path, profiles=f"{shelf.root}/none/{{{{Partition}}}}/*.csv")
    with pytest.raises(SourceMissing) as caught:
        source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    assert f"no file matches {shelf.root}/none/{DAY}/*.csv" in str(caught.value)


def told(shelf: Shelf, source: Files) -> str:
    """What a failed listing says; no secret is in it."""
    with pytest.raises(SourceUnreadable) as caught:
        source.profiles(DAY, source.declaration.cadence.window_of(DAY))
    text = f"{caught.value} {caught.value!r} {source!r}"
    assert caught.value.__context__ is None
    assert not [name for name, secret in shelf.environment.items() if secret in text]
    return str(caught.value)


def test_a_bucket_that_does_not_exist_is_told(shelf: Shelf, tmp_path: Path) -> None:
    root = f"{shelf.root}-that-is-not-there"
    if shelf.extra == "azure":
        storage = {**QUICK, **shelf.storage, "sas_token": None, "account_key": {"env": "ACCOUNT_KEY"}}
        source = shelf.opened(tmp_path, profiles=f"{root}/{{{{Partition}}}}.csv", storage=storage)
    else:
        source = shelf.opened(tmp_path, profiles=f"{root}/{{{{Partition}}}}.csv")
    message = told(shelf, source)
    assert message.startswith(f"Listing {root}/: the bucket or container does not exist (404 ")
    assert "letter by letter" in message


def test_credentials_that_may_not_read_are_told_what_they_need(shelf: Shelf, tmp_path: Path) -> None:
    storage = {**QUICK, **shelf.storage, **shelf.powerless}
    message = told(shelf, shelf.opened(tmp_path, profiles=f"{shelf.root}/{{{{Partition}}}}.csv", storage=storage))
    assert "access was denied (403 " in message
    assert {"s3": "s3:ListBucket", "gcs": "roles/storage.objectViewer", "azure": "sp=rl"}[shelf.extra] in message


def test_credentials_that_are_refused_are_told(shelf: Shelf, tmp_path: Path) -> None:
    """Of a SAS token that has expired azurite says AuthorizationFailure, as of one that may not read."""
    storage = {**QUICK, **shelf.storage, **shelf.refused}
    message = told(shelf, shelf.opened(tmp_path, profiles=f"{shelf.root}/{{{{Partition}}}}.csv", storage=storage))
    assert ("access was denied" if shelf.extra == "azure" else "the credentials were refused") in message


def test_the_check_lists_the_bucket(shelf: Shelf, tmp_path: Path) -> None:
    profiles = f"{shelf.root}/p/{{{{Partition}}}}.csv"
    assert shelf.opened(tmp_path, profiles=profiles).check() == ()
    storage = {**QUICK, **shelf.storage, **shelf.powerless}
    (problem,) = shelf.opened(tmp_path, profiles=profiles, storage=storage).check()
    assert problem.startswith(f"Listing {shelf.root}/p/: access was denied")


def test_a_server_that_is_not_there_is_told(shelf: Shelf, tmp_path: Path) -> None:
    storage = {**QUICK, **shelf.storage, "endpoint_url": f"http://127.0.0.1:{free_port()}/{ACCOUNT}"}
    message = told(shelf, shelf.opened(tmp_path, profiles=f"{shelf.root}/{{{{Partition}}}}.csv", storage=storage))
    assert "the connection broke or could not be made" in message


def test_a_secret_that_is_not_set_is_told_by_its_name(shelf: Shelf, tmp_path: Path) -> None:
    source = shelf.source(profiles=f"{shelf.root}/{{{{Partition}}}}.csv").open(Surroundings(tmp_path, {}))
    with pytest.raises(ConfigurationError, match="is not set"):
        source.profiles(DAY, source.declaration.cadence.window_of(DAY))


def declared(**settings: object) -> FilesSource:
    return FilesSource.model_validate({"name": "crm", "start": date(2026, 11, 1), **settings})


def test_an_abfss_url_names_its_account() -> None:
    url = "abfss://exports@acmelake.dfs.core.windows.net/d/{{Partition}}/*.parquet"
    assert declared(profiles=url).check(Path("/")) == ()


@pytest.mark.parametrize(
    ("pattern", "folder", "matching", "others"),
    [
        ("a/*.csv", "a/", ["a/b.csv"], ["a/b/c.csv", "a/.b.csv", "a/b.csv.gz"]),
        ("a/**/b.csv", "a/", ["a/b.csv", "a/x/y/b.csv"], ["b.csv", "a/xb.csv", "a/.x/b.csv"]),
        ("a/**", "a/", ["a/b", "a/b/c.csv"], ["a/.b", "ab"]),
        ("a?[0-9].csv", "", ["ab1.csv"], ["a1.csv", "abc.csv", "a/1.csv"]),
        ("a[!b].csv", "", ["ac.csv"], ["ab.csv"]),
        ("a.b/c+.csv", "a.b/", ["a.b/c+.csv"], ["axb/c+.csv"]),
    ],
)
def test_wildcards_match_keys_as_they_match_files(
    pattern: str, folder: str, matching: list[str], others: list[str]
) -> None:
    expression = key_expression(pattern)
    assert [key for key in [*matching, *others] if expression.fullmatch(key)] == matching
    assert without_wildcards(pattern) == folder
