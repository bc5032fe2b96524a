"""What Google Cloud Storage alone is about: blocks, rights that don't replace, tokens, and no look at the bucket."""

import hashlib
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from random import Random
from urllib.parse import unquote

import pytest
from case_gcs import GcsCase
from contract import under
from fault_proxy import Canned, FaultProxy, LostResponse, Request
from gcs_black_hole import BlackHole, added_bytes
from gcs_gatekeeper import Account, error
from session_cases import Cases

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.surroundings import Surroundings

MIB = 1 << 20
BLOCK = 4 * MIB


@pytest.fixture
def gcs(cases: Cases) -> GcsCase:
    case = cases.of("gcs")
    assert isinstance(case, GcsCase)
    return case


@pytest.fixture
def way(gcs: GcsCase) -> Iterator[FaultProxy]:
    """The proxy on the way to the server."""
    with FaultProxy(gcs.endpoint) as proxy:
        yield proxy


def staged(tmp_path: Path, content: bytes, key: str = "a.csv.gz") -> Upload:
    path = tmp_path / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return Upload(path, key, len(content), path.name, "a1", overwrites=False)


def refused(gcs: GcsCase, proxy: FaultProxy, upload: Upload, prefix: str, account: Account | None = None) -> Failure:
    opened = gcs.declared(account or gcs.user, proxy.endpoint, prefix=prefix).open(gcs.surroundings)
    with pytest.raises(DeliveryError) as caught:
        opened.put(upload)
    return caught.value.failure


def an_upload(request: Request) -> bool:
    return request.target.startswith("/upload/")


def a_block(request: Request) -> bool:
    return request.method == "PUT"


@pytest.mark.parametrize(
    ("size", "requests"),
    [(MIB, 1), (MIB + 1, 2), (BLOCK - 1, 2), (BLOCK, 3), (BLOCK + 1, 3), (2 * BLOCK, 4), (2 * BLOCK + MIB, 4)],
)
def test_a_file_of_any_size_arrives_in_one_request_or_in_blocks(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str, size: int, requests: int
) -> None:
    content = Random(size).randbytes(size)
    opened = gcs.declared(gcs.creator, way.endpoint, prefix=prefix).open(gcs.surroundings)
    opened.put(staged(tmp_path, content))
    assert (under(gcs, prefix)["a.csv.gz"] == content, len(way.requests)) == (True, requests)


@pytest.mark.req("P2", "G1")
def test_writing_asks_for_nothing_but_the_right_to_create(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    gcs.gatekeeper.refused.clear()
    opened = gcs.declared(gcs.creator, way.endpoint, prefix=prefix).open(gcs.surroundings)
    for number, size in enumerate((1, MIB + 1)):
        opened.put(staged(tmp_path, b"x" * size, f"{number}.csv"))
    assert ([request for request in way.requests if not an_upload(request)], gcs.gatekeeper.refused) == ([], [])


def test_a_file_that_objectcreator_may_not_replace_names_the_setting(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    gcs.declaration(prefix=prefix).open(gcs.surroundings).put(staged(tmp_path, b"old"))
    upload = replace(staged(tmp_path, b"new"), overwrites=True, may_lie_there=True)
    failure = refused(gcs, way, upload, prefix, gcs.creator)
    assert (failure.whose, failure.code) == ("customer", "403 storage.objects.delete")
    assert "on_rerun: new_names" in failure.fix
    assert under(gcs, prefix) == {"a.csv.gz": b"old"}


@pytest.mark.parametrize("reason", ["forbidden", "retentionPolicyNotMet"])
def test_our_own_file_is_found_also_where_google_looks_at_rights_before_preconditions(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str, reason: str
) -> None:
    opened = gcs.declaration(way.endpoint, prefix=prefix).open(gcs.surroundings)
    answer = error(403, reason, "x does not have storage.objects.delete access to the object.")
    with way.inflicting(Canned(403, answer.body, answer.headers)):
        assert opened.put(replace(staged(tmp_path, b"ours"), may_lie_there=True)) == "already_there"


@pytest.mark.parametrize("size", [3, MIB + 1])
def test_an_answer_that_got_lost_is_found_to_be_success_by_the_next_try(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str, size: int
) -> None:
    upload = staged(tmp_path, b"x" * size)
    opened = gcs.declared(gcs.creator, way.endpoint, prefix=prefix).open(gcs.surroundings)
    commits = LostResponse(matches=lambda request: "multipart" in request.target or a_block(request))
    with way.inflicting(commits), pytest.raises(DeliveryError):
        opened.put(upload)
    assert opened.put(replace(upload, may_lie_there=True)) == "already_there"


@pytest.mark.parametrize("status", [404, 410])
def test_an_upload_whose_session_google_lost_is_tried_again(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str, status: int
) -> None:
    upload = staged(tmp_path, b"x" * (MIB + 1))
    with way.inflicting(Canned(status, b"", matches=a_block)):
        failure = refused(gcs, way, upload, prefix)
    assert (failure.whose, failure.code) == ("transient", f"{status} uploadSessionLost")


def test_an_upload_that_breaks_between_its_blocks_shows_nowhere_and_the_next_try_writes_it(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    upload = staged(tmp_path, Random(7).randbytes(2 * BLOCK + 1))
    opened = gcs.declared(gcs.creator, way.endpoint, prefix=prefix).open(gcs.surroundings)
    second = LostResponse(
        matches=lambda request: request.headers.get("content-range", "").startswith(f"bytes {BLOCK}-")
    )
    with way.inflicting(second), pytest.raises(DeliveryError) as caught:
        opened.put(upload)
    assert (caught.value.failure.whose, under(gcs, prefix)) == ("transient", {})
    assert opened.put(replace(upload, may_lie_there=True)) == "written"
    assert under(gcs, prefix) == {"a.csv.gz": upload.path.read_bytes()}


def test_a_refusal_comes_before_the_bytes_of_a_large_file(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    failure = refused(gcs, way, staged(tmp_path, b"x" * 2 * BLOCK), prefix, gcs.viewer)
    assert (failure.code, len(way.requests), way.bytes_to_server < 1000) == ("403 storage.objects.create", 1, True)


def test_a_file_that_changed_after_it_was_staged_is_not_sent(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    upload = staged(tmp_path, b"whole")
    upload.path.write_bytes(b"torn")
    failure = refused(gcs, way, upload, prefix)
    assert (failure.whose, failure.code, way.requests) == ("ours", "staging", [])


def test_a_damaged_file_is_refused_by_google_and_nothing_appears(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    """The emulator compares the checksum that goes ahead of the bytes, as Google does."""
    from ctexport_dagster.resources.gcs.client import GcsClient

    client = GcsClient.connect(gcs.declaration(way.endpoint), gcs.surroundings)
    blob = client._blob(f"{prefix}/a.csv")
    with pytest.raises(Exception, match="doesn't match calculated"):
        client._send(blob, staged(tmp_path, b"x" * (MIB + 1)), "AAAAAA==")
    assert under(gcs, prefix) == {}


def test_a_refused_token_is_renewed_before_the_key_counts_as_refused(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    tokens = len(gcs.gatekeeper.tokens)
    with way.inflicting(Canned(401, error(401, "authError", "Invalid Credentials").body)):
        failure = refused(gcs, way, staged(tmp_path, b"x"), prefix)
    made = len(gcs.gatekeeper.tokens) - tokens
    assert (failure.whose, len(way.requests), made) == ("customer", 3, 3)


@pytest.mark.req("G1")
def test_the_key_may_lie_in_a_file_of_the_home(gcs: GcsCase, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "acme.json").write_text(gcs.creator.key_json)
    declared = gcs.declaration(prefix=prefix).model_copy(update={"key_json": None, "key_file": "acme.json"})
    declared.open(Surroundings(tmp_path)).put(staged(tmp_path, b"x"))
    assert under(gcs, prefix) == {"a.csv.gz": b"x"}


@pytest.mark.req("G1")
def test_the_machines_own_credentials_are_used_where_no_key_is_declared(
    gcs: GcsCase, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ambient.json").write_text(gcs.creator.key_json)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "ambient.json"))
    declared = gcs.declaration(prefix=prefix).model_copy(update={"key_json": None})
    declared.open(Surroundings(tmp_path)).put(staged(tmp_path, b"x"))
    assert under(gcs, prefix) == {"a.csv.gz": b"x"}


def test_storage_class_and_kms_key_go_with_the_upload(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    declared = gcs.declaration(way.endpoint, prefix=prefix)
    opened = declared.model_copy(update={"storage_class": "NEARLINE", "kms_key": key}).open(gcs.surroundings)
    opened.put(staged(tmp_path, b"x"))
    blob = gcs.reader.bucket(gcs.bucket).get_blob(f"{prefix}/a.csv.gz")
    assert blob is not None
    assert (blob.storage_class, [f"kmsKeyName={key}" in unquote(request.target) for request in way.requests]) == (
        "NEARLINE",
        [True],
    )


@pytest.mark.req("P37")
def test_an_error_shows_no_address_of_an_upload_and_no_token(
    gcs: GcsCase, way: FaultProxy, tmp_path: Path, prefix: str
) -> None:
    opened = gcs.declaration(way.endpoint, prefix=prefix).open(gcs.surroundings)
    harms = [LostResponse(matches=a_block), Canned(503, b"busy", matches=a_block), Canned(403, b"no", matches=a_block)]
    shown = ""
    for harm in harms:
        with way.inflicting(harm), pytest.raises(DeliveryError) as caught:
            opened.put(staged(tmp_path, b"x" * (MIB + 1)))
        shown += "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    secrets = [*gcs.secrets, "upload_id"]
    assert ([secret for secret in secrets if secret in shown], "a.csv.gz" in shown) == ([], True)


def test_what_was_delivered_can_be_read_back_where_reading_is_granted(
    gcs: GcsCase, tmp_path: Path, prefix: str
) -> None:
    opened = gcs.declaration(prefix=prefix).open(gcs.surroundings)
    content = Random(1).randbytes(BLOCK + 1)
    opened.put(staged(tmp_path, content))
    assert b"".join(opened.read("a.csv.gz")) == content


def test_reading_what_is_not_there_says_so(gcs: GcsCase, prefix: str) -> None:
    with pytest.raises(FileNotFoundError):
        list(gcs.declaration(prefix=prefix).open(gcs.surroundings).read("nothing"))


def test_reading_without_the_right_names_the_role(gcs: GcsCase, tmp_path: Path, prefix: str) -> None:
    opened = gcs.declared(gcs.creator, prefix=prefix).open(gcs.surroundings)
    opened.put(staged(tmp_path, b"x"))
    with pytest.raises(DeliveryError, match=r"roles/storage\.objectViewer"):
        list(opened.read("a.csv.gz"))


@pytest.mark.req("G2")
def test_the_canary_says_which_right_is_missing_and_that_names_must_match(gcs: GcsCase, prefix: str) -> None:
    without = gcs.declared(gcs.viewer, prefix=prefix).open(gcs.surroundings).canary()
    misspelt = gcs.declared(gcs.creator, prefix=prefix, bucket="acme-export").open(gcs.surroundings).canary()
    assert (str(without).count("storage.objects.create"), str(misspelt).count("must match exactly")) == (1, 1)


def test_memory_stays_flat_while_a_gigabyte_is_uploaded(gcs: GcsCase, tmp_path: Path) -> None:
    hole = BlackHole()
    key_json = gcs.user.key_json.replace(f"http://127.0.0.1:{gcs.endpoint[1]}", hole.url)
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        added = process.submit(added_bytes, hole.url, key_json, tmp_path, 100_000_000, 10).result()
    hole.close()
    assert added < 64 * MIB
