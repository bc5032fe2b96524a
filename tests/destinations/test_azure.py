"""What Azure's two kinds do beside the contract: how many requests, which memory, and never a signature anywhere."""

import hashlib
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import pytest
from case_adls import AdlsCase
from case_azure_blob import EXPIRED_DETAIL, AzureBlobCase, refusal
from contract import under
from fault_proxy import Canned, FaultProxy, Request
from session_cases import Cases

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import DeliveryError

OVER_64_MIB = (64 << 20) + 1


@pytest.fixture
def container(cases: Cases) -> AzureBlobCase:
    return cast(AzureBlobCase, cases.of("azure_blob"))


@pytest.fixture
def lake(cases: Cases) -> AdlsCase:
    return cast(AdlsCase, cases.of("adls"))


def upload(tmp_path: Path, content: bytes, key: str = "a.csv", *, attempt: str = "a1", again: bool = False) -> Upload:
    path = tmp_path / "staged"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Upload(path, key, len(content), sha256, attempt, overwrites=False, may_lie_there=again)


def is_patch(action: str) -> Callable[[Request], bool]:
    return lambda request: f"action={action}" in request.target


def test_a_blob_larger_than_64_mib_is_one_request_and_streamed(
    container: AzureBlobCase, tmp_path: Path, prefix: str
) -> None:
    with FaultProxy(container.endpoint) as proxy:
        destination = container.declaration(proxy.endpoint, prefix=prefix).open(container.surroundings)
        destination.put(upload(tmp_path, b"the first brings the client", "first.csv"))
        sent = upload(tmp_path, bytes(OVER_64_MIB))
        tracemalloc.start()
        destination.put(sent)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [request.headers["content-length"] for request in proxy.requests[1:]] == [str(OVER_64_MIB)]
    assert (len(container.read(f"{prefix}/a.csv")), peak < 8 << 20) == (OVER_64_MIB, True)


@pytest.mark.req("S10", "P37")
def test_an_expired_sas_token_is_told_with_its_date(container: AzureBlobCase, tmp_path: Path, prefix: str) -> None:
    with FaultProxy(container.endpoint) as proxy:
        destination = container.declaration(proxy.endpoint, prefix=prefix).open(container.surroundings)
        answer = refusal(403, "AuthenticationFailed", EXPIRED_DETAIL)
        with proxy.inflicting(answer), pytest.raises(DeliveryError) as caught:
            destination.put(upload(tmp_path, b"x"))
    assert caught.value.failure.cause == "the SAS token expired on 01 Nov 2026 at 12:00 UTC"


@pytest.mark.req("B8")
def test_neither_the_error_nor_the_log_shows_a_signature(
    container: AzureBlobCase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultProxy(container.endpoint) as proxy:
        destination = container.declaration(proxy.endpoint).open(container.surroundings)
        with proxy.inflicting(refusal(403, "AuthenticationFailed", "")), pytest.raises(DeliveryError) as caught:
            destination.put(upload(tmp_path, b"x"))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "sig=REDACTED" in caplog.text
    assert [secret for secret in container.secrets if secret in caplog.text + str(caught.value)] == []


def test_a_container_that_is_missing_is_told_as_such(container: AzureBlobCase, tmp_path: Path) -> None:
    destination = container.declared({"account_key": "ACCOUNT_KEY"}, container="misspelt").open(container.surroundings)
    with pytest.raises(DeliveryError) as caught:
        destination.put(upload(tmp_path, b"x"))
    assert caught.value.failure.code == "404 ContainerNotFound"


@pytest.mark.req("B3")
def test_a_file_is_read_back_where_rights_allow(container: AzureBlobCase, tmp_path: Path, prefix: str) -> None:
    destination = container.declared({"account_key": "ACCOUNT_KEY"}, prefix=prefix).open(container.surroundings)
    destination.put(upload(tmp_path, b"content"))
    assert b"".join(destination.read("a.csv")) == b"content"
    with pytest.raises(FileNotFoundError):
        list(destination.read("missing.csv"))


@pytest.mark.req("B3")
def test_a_lakes_file_is_read_back_where_rights_allow_simulated(lake: AdlsCase, tmp_path: Path, prefix: str) -> None:
    destination = lake.declared({"sas_token": "READ_TOO"}, prefix=prefix).open(lake.surroundings)
    destination.put(upload(tmp_path, b"content"))
    assert b"".join(destination.read("a.csv")) == b"content"
    with pytest.raises(FileNotFoundError):
        list(destination.read("missing.csv"))


@pytest.mark.req("B2")
def test_a_dead_attempts_temporary_file_is_emptied_simulated(lake: AdlsCase, tmp_path: Path, prefix: str) -> None:
    with FaultProxy(lake.endpoint) as proxy:
        destination = lake.declaration(proxy.endpoint, prefix=prefix).open(lake.surroundings)
        harm = Canned(503, matches=lambda request: "x-ms-rename-source" in request.headers)
        with proxy.inflicting(harm), pytest.raises(DeliveryError):
            destination.put(upload(tmp_path, b"half-way", "day/a.csv", attempt="dead"))
    part = f"{prefix}/day/.a.csv.dead.part"
    assert lake.parts()[part] == b"half-way"
    destination = lake.declaration(prefix=prefix).open(lake.surroundings)
    destination.discard_unfinished("day/a.csv", "dead")
    assert lake.parts()[part] == b""


def test_discarding_what_never_began_leaves_nothing_simulated(lake: AdlsCase, prefix: str) -> None:
    lake.declaration(prefix=prefix).open(lake.surroundings).discard_unfinished("day/a.csv", "dead")
    assert [key for key in lake.server.files if key.startswith(prefix)] == []


def test_a_file_that_was_there_leaves_an_empty_temporary_one_simulated(
    lake: AdlsCase, tmp_path: Path, prefix: str
) -> None:
    destination = lake.declaration(prefix=prefix).open(lake.surroundings)
    destination.put(upload(tmp_path, b"ours"))
    assert destination.put(upload(tmp_path, b"ours", attempt="a2", again=True)) == "already_there"
    assert lake.parts()[f"{prefix}/.a.csv.a2.part"] == b""


def test_a_lakes_file_is_appended_in_stretches_of_64_mib_simulated(lake: AdlsCase, tmp_path: Path, prefix: str) -> None:
    content = Random(1).randbytes(1 << 16) * 1024 + b"!"
    with FaultProxy(lake.endpoint) as proxy:
        lake.declaration(proxy.endpoint, prefix=prefix).open(lake.surroundings).put(upload(tmp_path, content))
    appended = [request.headers["content-length"] for request in proxy.requests if is_patch("append")(request)]
    assert appended == [str(64 << 20), "1"]
    assert under(lake, prefix)["a.csv"] == content
