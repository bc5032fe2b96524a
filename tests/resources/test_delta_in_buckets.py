"""Delta tables in buckets, read from a real server on the loopback."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
from case_azure_blob import ACCOUNT, CONTAINER, AzureBlobCase
from case_s3 import BUCKET, REGION, S3Case
from contract import ServerMissing
from delta_tables import append, opened, rows_of, window
from left_out import leave_out
from servers import free_port

from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable

pytestmark = pytest.mark.xdist_group("delta-buckets")  # one server of each kind for all of them

FIRST, SECOND = "2026-11-18", "2026-11-19"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Iterator[S3Case]:
    case = S3Case(tmp_path_factory.mktemp("s3"), child_environment)
    yield case
    case.close()


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Iterator[AzureBlobCase]:
    try:
        case = AzureBlobCase(tmp_path_factory.mktemp("azure"), child_environment)
    except ServerMissing as missing:
        leave_out("the server of azure_blob", str(missing))
    yield case
    case.close()


def upload(table: Path, to: S3Case | AzureBlobCase, prefix: str) -> None:
    for file in table.rglob("*"):
        if file.is_file():
            to.change(f"{prefix}/{file.relative_to(table)}", file.read_bytes())


def storage(port: int, **changed: object) -> dict[str, object]:
    return {
        "region": REGION,
        "endpoint_url": f"http://127.0.0.1:{port}",
        "access_key_id": {"env": "ADMIN_KEY"},
        "secret_access_key": {"env": "ADMIN_SECRET"},
        **changed,
    }


@pytest.fixture(scope="module")
def uploaded(s3: S3Case, tmp_path_factory: pytest.TempPathFactory) -> S3Case:
    """A table of two commits, as s3://bucket/lake/people, partitioned by an odd value."""
    table = tmp_path_factory.mktemp("lake") / "people"
    for who, when in (("a", FIRST), ("b", SECOND)):
        rows = pl.DataFrame({"clevertapId": [who], "eventName": [who], "ts": [1], "p": ["x y/ü%"]})
        append(table, rows, f"{when}T10:00", partition_by=["p"])
    upload(table, s3, "lake/people")
    return s3


@pytest.mark.req("B9")
def test_profiles_events_and_datasets_are_read_from_a_bucket(uploaded: S3Case, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/lake/people"
    content = {"profiles": url, "events": url, "datasets": {"people": url}}
    environment = uploaded.surroundings.environment
    source = opened(tmp_path, environment, **content, storage=storage(uploaded.endpoint[1]))
    assert source.check() == ()
    profiles = source.profiles(SECOND, window(SECOND)).batches()
    assert sorted((row["clevertapId"], row["p"]) for row in rows_of(list(profiles))) == [
        ("a", "x y/ü%"),
        ("b", "x y/ü%"),
    ]
    assert [row["eventName"] for row in rows_of(list(source.events(SECOND, window(SECOND)).batches()))] == ["b"]
    first = source.dataset("people", Span(FIRST, window(FIRST), None))
    second = source.dataset("people", Span(SECOND, window(SECOND), first.upto))
    assert [[row["clevertapId"] for row in rows_of(list(part.batches()))] for part in (first, second)] == [["a"], ["b"]]


@pytest.mark.req("B9")
@pytest.mark.parametrize(
    "url", [f"az://{CONTAINER}/lake/t", f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/lake/t"]
)
@pytest.mark.parametrize("credentials", [{"account_key": {"env": "ACCOUNT_KEY"}}, {"sas_token": {"env": "READ_LIST"}}])
def test_a_table_is_read_from_a_container(
    azure: AzureBlobCase, tmp_path: Path, url: str, credentials: dict[str, object]
) -> None:
    append(tmp_path / "t", pl.DataFrame({"clevertapId": ["a"]}), f"{FIRST}T10:00")
    upload(tmp_path / "t", azure, "lake/t")
    place = {"storage_account": ACCOUNT, "endpoint_url": f"http://127.0.0.1:{azure.endpoint[1]}/{ACCOUNT}"}
    source = opened(tmp_path, azure.surroundings.environment, profiles=url, storage={**place, **credentials})
    assert source.check() == ()
    assert rows_of(list(source.profiles(FIRST, window(FIRST)).batches())) == [{"clevertapId": "a"}]


def test_nothing_at_the_place_is_a_missing_table(s3: S3Case, tmp_path: Path) -> None:
    source = opened(
        tmp_path, s3.surroundings.environment, profiles=f"s3://{BUCKET}/no", storage=storage(s3.endpoint[1])
    )
    with pytest.raises(SourceMissing, match="no Delta table"):
        source.profiles(FIRST, window(FIRST))


def test_a_file_that_has_been_vacuumed_in_a_bucket_is_missing(uploaded: S3Case, tmp_path: Path) -> None:
    keys = uploaded.keys()
    for key in keys:
        if key.startswith("lake/people/_delta_log"):
            uploaded.change(key.replace("people", "vacuumed"), uploaded.read(key))
    url = f"s3://{BUCKET}/lake/vacuumed"
    declared = storage(uploaded.endpoint[1])
    source = opened(tmp_path, uploaded.surroundings.environment, profiles=url, storage=declared)
    with pytest.raises(SourceMissing, match="vacuumed"):
        list(source.profiles(FIRST, window(FIRST)).batches())


def test_a_store_that_refuses_or_cant_be_reached_is_told_without_a_secret(uploaded: S3Case, tmp_path: Path) -> None:
    environment = {**uploaded.surroundings.environment, "WRONG": "Wombat-4711"}
    url = f"s3://{BUCKET}/lake/people"
    wrong = storage(uploaded.endpoint[1], secret_access_key={"env": "WRONG"})
    nobody = storage(free_port(), retry_seconds=0)
    for declared, expected in ((wrong, "status 403"), (nobody, "can't be read")):
        source = opened(tmp_path, environment, profiles=url, storage=declared)
        with pytest.raises(SourceUnreadable, match=expected) as caught:
            source.profiles(FIRST, window(FIRST))
        (problem,) = source.check()
        told = f"{caught.value} {problem} {source!r} {source.declaration!r}"
        assert not any(secret in told for secret in ("Wombat", *environment.values()))


def test_a_secret_that_isnt_set_is_named(tmp_path: Path) -> None:
    source = opened(tmp_path, profiles=f"s3://{BUCKET}/lake/people", storage=storage(1))
    (problem,) = source.check()
    assert "ADMIN_KEY" in problem
    assert "is not set" in problem
