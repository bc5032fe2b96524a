"""`storage:` and the URLs of buckets: the same words, checks and messages for files and for Delta tables."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import ValidationError

from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.resources.delta.declaration import DeltaSource, table_url
from ctexport_dagster.resources.delta.store_options import store_options
from ctexport_dagster.resources.files.bucket_stores import open_store
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.registry import RESOURCE_KINDS
from ctexport_dagster.resources.storage import Storage, bucket_url

KINDS: Mapping[str, type[FilesSource | DeltaSource]] = {"files": FilesSource, "delta": DeltaSource}
WHERE = {"files": "{{Partition}}.parquet", "delta": "t"}
ENVIRONMENT = {"ID": "id-1", "KEY": "key-2", "TOKEN": " ?sv=1&sig=3\n"}


@contextmanager
def asked() -> Iterator[tuple[str, list[tuple[str, Message]]]]:
    """A store without any files, and what it was asked for: paths, with the headers of each."""
    requests: list[tuple[str, Message]] = []

    class Empty(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            requests.append((self.path, self.headers))
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


def declared(kind: str, root: str, **settings: object) -> FilesSource | DeltaSource:
    given = {"name": "crm", "start": date(2026, 11, 1), "profiles": f"{root}{WHERE[kind]}", **settings}
    return KINDS[kind].model_validate(given)


def mistakes(home: Path, kind: str, root: str, storage: str) -> list[Mistake]:
    (home / "resources").mkdir()
    text = f"type: {kind}\nstart: 2026-11-01\nprofiles: '{root}{WHERE[kind]}'\n{storage}"
    (home / "resources/crm.yaml").write_text(text)
    return list(read_declarations(home, RESOURCE_KINDS).mistakes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("root", "storage", "field", "message"),
    [
        ("s3://acme/", "", "", "storage: region is missing: the AWS region of the bucket, as eu-west-1"),
        ("az://acme/", "", "", "storage: storage_account is missing: the account of the container"),
        ("", "storage: {access_key_id: {env: A}}", "storage", "access_key_id and secret_access_key go together"),
        ("", "storage: {session_token: {env: A}}", "storage", "session_token goes with access_key_id"),
        ("", "storage: {key_json: {env: A}, key_file: k.json}", "storage", "give key_json or key_file, not both"),
        ("", "storage: {sas_token: {env: A}, account_key: {env: B}}", "storage", "give sas_token or account_key"),
        ("", "storage: {sas_token: sv=1&sig=Wombat}", "storage.sas_token", "a secret never stands in a file"),
        ("", "storage: {secret_access_key: Wombat}", "storage.secret_access_key", "write {env: NAME}"),
        ("", "storage: {regoin: eu-west-1}", "storage.regoin", "unknown key; did you mean region?"),
        ("", "storage: {endpoint_url: 'http://u:Wombat@host'}", "storage.endpoint_url", "pattern"),
        ("ftp://acme/", "", "profiles", "write what lies in a bucket as s3://bucket/…, gs://bucket/…"),
        ("s3://acme@host/", "", "profiles", "write what lies in a bucket as s3://bucket/…, gs://bucket/…"),
        ("gs://ac*e/", "", "profiles", "a variable or wildcard can't stand for the bucket"),
        ("s3://user:Wombat@acme/", "", "profiles", "a secret never stands in a URL; write it under `storage:`"),
        ("az://acme/x?sv=1&sig=Wombat/", "", "profiles", "a secret never stands in a URL"),
    ],
)
def test_a_mistake_is_told_alike_by_its_field(
    tmp_path: Path, kind: str, root: str, storage: str, field: str, message: str
) -> None:
    (mistake,) = mistakes(tmp_path, kind, root, storage)
    assert (mistake.field, message in mistake.message, "Wombat" in str(mistake)) == (field, True, False), mistake


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("root", "storage"),
    [
        ("s3://acme/lake/", {"region": "eu-west-1"}),
        ("s3a://acme/", {"endpoint_url": "https://minio.example.com"}),
        ("gs://acme/lake/", {}),
        ("az://exports/", {"storage_account": "acmelake"}),
        ("abfss://exports@acmelake.dfs.core.windows.net/d/", {}),
        ("data/", {}),
    ],
)
def test_what_suffices_is_taken(kind: str, root: str, storage: dict[str, object]) -> None:
    assert declared(kind, root, storage=storage).has_profiles


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_is_looked_at(kind: str) -> None:
    with pytest.raises(ValidationError, match="region is missing"):
        declared(kind, "data/", datasets={"orders": f"s3://acme/{WHERE[kind]}"})


@pytest.mark.parametrize("kind", KINDS)
def test_no_place_at_all_is_a_mistake(kind: str) -> None:
    with pytest.raises(ValidationError, match="write `profiles:`, `events:` or `datasets:`"):
        declared(kind, "", profiles=None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ['{"private_key": "Wombat"}', "[1]", "Wombat", '"private_key client_email"'])
@pytest.mark.parametrize(("storage", "named"), [({"key_json": {"env": "G"}}, "G"), ({"key_file": "g.json"}, "g.json")])
def test_a_key_of_googles_that_is_none_is_told_without_it(
    tmp_path: Path, kind: str, text: str, storage: dict[str, object], named: str
) -> None:
    (tmp_path / "g.json").write_text(text)
    source = declared(kind, "gs://acme/", storage=storage).open(Surroundings(tmp_path, {"G": text}))
    try:
        told = " ".join(source.check())
    except ConfigurationError as error:
        told = str(error)
    assert f"{named}: holds no key of a service account" in told
    assert "Wombat" not in told


# The words of delta-rs

CLIENT = {
    "allow_http": "false",
    "connect_timeout": "10000ms",
    "read_timeout": "60000ms",
    "timeout": "24h",
    "max_retries": "8",
    "retry_timeout": "120000ms",
}


def told(table: str, home: Path = Path(), **storage: object) -> dict[str, str]:
    """What delta-rs is told beyond `CLIENT`."""
    options = store_options(table_url(table), Storage.model_validate(storage), Surroundings(home, ENVIRONMENT))
    return {name: value for name, value in options.items() if CLIENT.get(name) != value}


def test_delta_rs_is_told_of_s3() -> None:
    keys: dict[str, object] = {
        "access_key_id": {"env": "ID"},
        "secret_access_key": {"env": "KEY"},
        "session_token": {"env": "TOKEN"},
    }
    assert told("s3://acme/t", Path(), region="eu-west-1", **keys) == {
        "aws_region": "eu-west-1",
        "aws_access_key_id": "id-1",
        "aws_secret_access_key": "key-2",
        "aws_session_token": ENVIRONMENT["TOKEN"],
    }


def test_delta_rs_is_told_of_another_service_like_s3() -> None:
    assert told("s3://acme/t", endpoint_url="http://127.0.0.1:9000/") == {
        "aws_region": "us-east-1",
        "aws_endpoint_url": "http://127.0.0.1:9000",
        "allow_http": "true",
    }


def test_delta_rs_is_told_of_google(tmp_path: Path) -> None:
    key = json.dumps({"private_key": "p", "client_email": "e"})
    (tmp_path / "key.json").write_text(key)
    assert told("gs://acme/t", tmp_path, key_file="key.json", endpoint_url="https://private.example.com") == {
        "google_service_account_key": key,
        "google_base_url": "https://private.example.com",
    }


def test_delta_rs_is_told_of_azure() -> None:
    assert told("az://exports/t", storage_account="acmelake", sas_token={"env": "TOKEN"}) == {
        "azure_storage_account_name": "acmelake",
        "azure_storage_sas_key": "sv=1&sig=3",
    }
    url = "abfss://exports@acmelake.dfs.core.windows.net/t"
    assert told(url, account_key={"env": "KEY"}, endpoint_url="https://private.example.com") == {
        "azure_storage_account_name": "acmelake",
        "azure_storage_account_key": "key-2",
        "azure_storage_endpoint": "https://private.example.com",
    }


def test_delta_rs_is_told_how_patient_it_is() -> None:
    patience = {"connect_timeout_seconds": 0.5, "read_timeout_seconds": 7, "retry_seconds": 0}
    assert told("gs://acme/t", Path(), **patience) == {
        "connect_timeout": "500ms",
        "read_timeout": "7000ms",
        "max_retries": "0",
        "retry_timeout": "0ms",
    }


@pytest.mark.parametrize("table", ["s3://acme/t", "gs://acme/t", "abfss://e@acmelake.dfs.core.windows.net/t"])
def test_without_credentials_delta_rs_is_told_of_none(table: str) -> None:
    assert not [name for name in told(table) if "key" in name or "token" in name]


KEYS = {"access_key_id": {"env": "ID"}, "secret_access_key": {"env": "KEY"}}


@pytest.mark.parametrize(
    ("table", "storage", "name", "instead"),
    [
        ("s3://acme/t", KEYS, "AWS_SESSION_TOKEN", {**KEYS, "session_token": {"env": "AWS_SESSION_TOKEN"}}),
        *(
            (
                "az://exports/t",
                {"storage_account": "acmelake", "sas_token": {"env": "TOKEN"}},
                name,
                {"storage_account": "acmelake", "account_key": {"env": name}},
            )
            for name in ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY")
        ),
    ],
)
def test_delta_rs_is_kept_from_taking_a_declared_key_together_with_another(
    table: str, storage: dict[str, object], name: str, instead: dict[str, object]
) -> None:
    here = Surroundings(Path(), {**ENVIRONMENT, name: "key-of-another"})
    with pytest.raises(ConfigurationError) as refused:
        store_options(table_url(table), Storage.model_validate(storage), here)
    assert [mistake.field for mistake in refused.value.mistakes] == [name]
    assert "key-of-another" not in str(refused.value)
    assert "key-of-another" in store_options(table_url(table), Storage.model_validate(instead), here).values()
    assert "key-of-another" not in store_options(table_url(table), Storage(), here).values()


@pytest.mark.parametrize(("own", "expected"), [({}, None), ({"session_token": {"env": "OWN"}}, "own-4")])
def test_files_are_asked_for_with_the_declared_keys_alone(
    own: dict[str, object], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-another")  # the store looks into the process's environment itself
    with asked() as (endpoint, requests):
        storage = Storage.model_validate({**KEYS, **own, "endpoint_url": endpoint, "retry_seconds": 0})
        here = Surroundings(Path(), {**ENVIRONMENT, "OWN": "own-4"})
        with pytest.raises(FileNotFoundError):
            open_store(bucket_url("s3://acme/a.csv"), storage, here).head("a.csv")
    assert [headers["x-amz-security-token"] for _, headers in requests] == [expected]


def test_files_are_asked_for_with_the_declared_token_and_not_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")  # which would count first
    with asked() as (endpoint, requests):
        storage = Storage.model_validate({"sas_token": {"env": "TOKEN"}, "endpoint_url": endpoint, "retry_seconds": 0})
        url = bucket_url("abfss://exports@acmelake.dfs.core.windows.net/a.csv")
        with pytest.raises(FileNotFoundError):
            open_store(url, storage, Surroundings(Path(), ENVIRONMENT)).head("a.csv")
    ((path, headers),) = requests
    assert (path.partition("?")[2], headers["authorization"]) == ("sv=1&sig=3", None)


def test_a_table_may_be_a_whole_bucket() -> None:
    assert (table_url("s3://acme").bucket, declared("delta", "", profiles="gs://acme/").has_profiles) == ("acme", True)


def test_files_need_a_path_behind_the_bucket() -> None:
    with pytest.raises(ValueError, match="write what lies in a bucket as"):
        bucket_url("s3://acme")
