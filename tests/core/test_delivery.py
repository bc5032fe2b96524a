"""Deliveries: once, whole, resumed, renewed, and never over somebody else's files."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from delivery_fakes import (
    EMPTY_FILE,
    PERMANENT,
    TRANSIENT,
    Bucket,
    Crash,
    Faulty,
    Wrapped,
    crashing,
    request,
    with_asked_wait,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.delivery.record import generations, latest_manifest
from ctexport_dagster.core.delivery.request import OnRerun
from ctexport_dagster.core.errors import Busy, DeliveryError, NamingError
from ctexport_dagster.core.manifest import Manifest

TWO = {"day/a.csv": b"one", "day/b.csv": b"two!"}
OTHER_TWO = {"day/a.csv": b"one", "day/b.csv": b"changed"}
ONE = {"day/a.csv": b"one"}


def manifest_in(bucket: Bucket, generation: int, folder: str = "day/") -> Manifest:
    return Manifest.from_json(bucket.contents[f"{folder}daily-g{generation}.manifest.json"].decode())


def record(state: Path) -> Path:
    return state / "deliveries" / "daily" / "2026-11-01"


# A first delivery


@pytest.mark.req("P2")
def test_the_manifest_comes_last_and_every_file_once(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    assert (sorted(bucket.puts[:2]), bucket.puts[2:]) == (["day/a.csv", "day/b.csv"], ["day/daily-g1.manifest.json"])


@pytest.mark.req("B1")
def test_the_manifest_names_each_file_with_rows_bytes_and_checksum(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    found = [(file.key, file.rows, file.bytes, file.sha256) for file in manifest_in(bucket, 1).files]
    assert found == [(key, len(c), len(c), hashlib.sha256(c).hexdigest()) for key, c in TWO.items()]


@pytest.mark.req("B1")
def test_an_empty_partition_has_a_manifest_alone(tmp_path: Path) -> None:
    bucket = Bucket()
    outcome = deliver(request(tmp_path, {}), bucket)
    assert (list(bucket.contents), outcome.manifest.files) == (["daily-g1.manifest.json"], ())


def test_the_outcome_tells_what_was_sent_and_where_the_manifest_is(tmp_path: Path) -> None:
    outcome = deliver(request(tmp_path, TWO), Bucket())
    assert (outcome.status, outcome.resumed, outcome.sent_files, outcome.sent_bytes, outcome.manifest_address) == (
        "delivered",
        False,
        2,
        7,
        "bucket://day/daily-g1.manifest.json",
    )


def test_the_delivered_manifest_is_kept_to_the_letter(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    kept = (record(tmp_path) / "manifest-g1.json").read_bytes()
    assert kept == bucket.contents["day/daily-g1.manifest.json"]


def test_progress_counts_every_file_and_then_the_manifest(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    deliver(request(tmp_path, TWO), Bucket(), progress=lambda step: seen.append((step.done, step.total)))
    assert seen == [(1, 2), (2, 2), (1, 1)]


# A second delivery


@pytest.mark.req("B2", "A13")
def test_the_same_again_sends_nothing(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    bucket.puts.clear()
    outcome = deliver(request(tmp_path, TWO, attempt="a2"), bucket)
    assert (outcome.status, outcome.manifest.generation, bucket.puts) == ("unchanged", 1, [])


def test_another_run_edit_or_lake_version_alone_makes_no_new_generation(tmp_path: Path) -> None:
    bucket = Bucket()
    first = request(tmp_path, TWO)
    deliver(first, bucket)
    later = replace(first.head, run_id="later", lake_version=9, upstream_runs=(), configuration_version="edited")
    outcome = deliver(replace(first, head=later), bucket)
    assert (outcome.status, outcome.manifest.run_id) == ("unchanged", "run")


@pytest.mark.parametrize("change", ["mode", "rows", "columns", "format"])
def test_a_manifest_that_says_otherwise_is_a_new_generation_without_any_file_sent_again(
    tmp_path: Path, change: str
) -> None:
    bucket = Bucket()
    first = request(tmp_path, TWO)
    deliver(first, bucket)
    changes = {"mode": "incremental", "rows": replace(first.head.rows, source=9), "columns": (), "format": {"x": 1}}
    bucket.puts.clear()
    deliver(replace(first, head=replace(first.head, **{change: changes[change]})), bucket)
    assert bucket.puts == ["day/daily-g2.manifest.json"]


@pytest.mark.req("A13")
def test_changed_bytes_overwrite_their_key_alone_and_make_a_new_generation(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    bucket.puts.clear()
    deliver(request(tmp_path, OTHER_TWO, attempt="a2"), bucket)
    assert bucket.puts == ["day/b.csv", "day/daily-g2.manifest.json"]
    assert (manifest_in(bucket, 2).supersedes, bucket.contents["day/b.csv"]) == (1, b"changed")


@pytest.mark.req("P36")
def test_a_key_no_longer_used_gets_the_empty_file_and_the_old_manifest_stays(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    old_manifest = bucket.contents["day/daily-g1.manifest.json"]
    outcome = deliver(request(tmp_path, ONE, attempt="a2"), bucket)
    assert (bucket.contents["day/b.csv"], outcome.emptied_keys) == (EMPTY_FILE, 1)
    assert bucket.contents["day/daily-g1.manifest.json"] == old_manifest


def test_a_key_that_is_empty_already_is_not_emptied_again(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    deliver(request(tmp_path, ONE, attempt="a2"), bucket)
    bucket.puts.clear()
    deliver(request(tmp_path, {"day/a.csv": b"other"}, attempt="a3"), bucket)
    assert bucket.puts == ["day/a.csv", "day/daily-g3.manifest.json"]


def test_an_emptied_key_can_be_used_again(tmp_path: Path) -> None:
    bucket = Bucket()
    for attempt, contents in enumerate([TWO, ONE, TWO]):
        deliver(request(tmp_path, contents, attempt=f"a{attempt}"), bucket)
    assert bucket.contents["day/b.csv"] == b"two!"


def test_new_names_send_changed_files_under_names_of_their_generation_and_overwrite_nothing(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO, on_rerun="new_names"), bucket)
    before = dict(bucket.contents)
    deliver(request(tmp_path, OTHER_TWO, attempt="a2", on_rerun="new_names"), bucket)
    assert [file.key for file in manifest_in(bucket, 2).files] == ["day/a.csv", "day/b-g2.csv"]
    assert {key: bucket.contents[key] for key in before} == before


def test_new_names_find_bytes_of_any_earlier_generation_again(tmp_path: Path) -> None:
    bucket = Bucket()
    for attempt, contents in enumerate([TWO, OTHER_TWO, TWO]):
        deliver(request(tmp_path, contents, attempt=f"a{attempt}", on_rerun="new_names"), bucket)
    assert [file.key for file in manifest_in(bucket, 3).files] == ["day/a.csv", "day/b.csv"]


def test_after_a_switch_to_new_names_a_key_that_was_overwritten_is_not_taken_for_its_older_bytes(
    tmp_path: Path,
) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    deliver(request(tmp_path, OTHER_TWO, attempt="a2"), bucket)
    outcome = deliver(request(tmp_path, TWO, attempt="a3", on_rerun="new_names"), bucket)
    assert [file.key for file in outcome.manifest.files] == ["day/a.csv", "day/b-g3.csv"]


@pytest.mark.req("A13")
def test_resend_puts_every_file_again_as_a_new_generation(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    bucket.contents.clear()
    deliver(request(tmp_path, TWO, attempt="a2", resend=True), bucket)
    assert {key: bucket.contents[key] for key in TWO} == TWO
    assert manifest_in(bucket, 2).supersedes == 1


def test_resend_replaces_a_file_that_was_damaged_at_the_destination(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, ONE), bucket)
    bucket.contents["day/a.csv"] = b"damaged"
    deliver(request(tmp_path, ONE, attempt="a2", resend=True), bucket)
    assert bucket.contents["day/a.csv"] == b"one"


def test_the_same_bytes_are_sent_to_another_destination(tmp_path: Path) -> None:
    old, new = Bucket("old"), Bucket("new")
    deliver(request(tmp_path, TWO), old)
    deliver(request(tmp_path, TWO, attempt="a2"), new)
    assert {key: new.contents[key] for key in TWO} == TWO


def test_a_delivery_that_crashed_goes_to_the_new_destination_whole(tmp_path: Path) -> None:
    old, new = Bucket("old"), Bucket("new")
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(old, 2, "after"))
    deliver(request(tmp_path, TWO, attempt="a2"), new)
    assert {key: new.contents[key] for key in TWO} == TWO


def test_another_destination_gets_everything_and_the_old_one_nothing(tmp_path: Path) -> None:
    old, new = Bucket("old"), Bucket("new")
    deliver(request(tmp_path, TWO), old)
    old.puts.clear()
    deliver(request(tmp_path, ONE, attempt="a2"), new)
    assert (sorted(new.contents), old.puts) == (["day/a.csv", "day/daily-g2.manifest.json"], [])


# Failures


@pytest.mark.req("A12")
@pytest.mark.parametrize("when", ["before", "after"])
def test_transient_failures_are_tried_again_until_the_file_has_arrived(tmp_path: Path, when: str) -> None:
    bucket = Bucket()
    fault = ("after" if when == "after" else "before", TRANSIENT)
    deliver(request(tmp_path, TWO), Faulty(bucket, {1: fault, 2: fault, 3: fault}))
    assert {key: bucket.contents[key] for key in TWO} == TWO


def test_a_wait_that_the_service_asks_for_is_bounded_by_the_policy(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, ONE), Faulty(bucket, {1: ("before", with_asked_wait(TRANSIENT, 3600))}))
    assert bucket.contents["day/a.csv"] == b"one"


def test_a_transient_failure_that_stays_is_raised_after_the_last_attempt(tmp_path: Path) -> None:
    faulty = Faulty(Bucket(), dict.fromkeys(range(1, 100), ("before", TRANSIENT)))
    with pytest.raises(DeliveryError) as caught:
        deliver(request(tmp_path, ONE), faulty)
    assert (caught.value.failure, faulty.count) == (TRANSIENT, 5)


def test_a_permanent_failure_is_raised_at_once_and_no_manifest_is_written(tmp_path: Path) -> None:
    bucket = Bucket()
    faulty = Faulty(bucket, {1: ("before", PERMANENT)})
    with pytest.raises(DeliveryError) as caught:
        deliver(request(tmp_path, ONE), faulty)
    assert (caught.value.failure, faulty.count, bucket.contents) == (PERMANENT, 1, {})


@pytest.mark.req("P37")
def test_a_failure_says_what_was_attempted_what_happened_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as caught:
        deliver(request(tmp_path, ONE), Faulty(Bucket(), {1: ("before", PERMANENT)}))
    assert str(caught.value) == ("Sending day/a.csv: access was denied (403): the policy is gone. Apply the policy.")


def test_after_a_failure_no_further_file_is_begun(tmp_path: Path) -> None:
    many = {f"{n:02}.csv": b"x" * (n + 1) for n in range(40)}
    faulty = Faulty(Bucket(), {1: ("before", PERMANENT)})
    with pytest.raises(DeliveryError):
        deliver(request(tmp_path, many, parallel=1), faulty)
    assert faulty.count == 1


def test_a_failed_delivery_goes_on_where_it_stopped(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(DeliveryError):
        deliver(request(tmp_path, TWO, parallel=1), Faulty(bucket, {2: ("before", PERMANENT)}))
    bucket.puts.clear()
    outcome = deliver(request(tmp_path, TWO, attempt="a2"), bucket)
    assert (outcome.resumed, bucket.puts) == (True, ["day/b.csv", "day/daily-g1.manifest.json"])


@pytest.mark.parametrize("content", [b"oNe", b"one, and more", b""])
def test_a_damaged_staged_file_is_never_sent(tmp_path: Path, content: bytes) -> None:
    bucket, asked = Bucket(), request(tmp_path, ONE)
    asked.files[0].path.write_bytes(content)
    with pytest.raises(DeliveryError) as caught:
        deliver(asked, bucket)
    assert (caught.value.failure.whose, bucket.puts) == ("ours", [])


def test_a_staged_file_that_is_gone_is_ours(tmp_path: Path) -> None:
    asked = request(tmp_path, ONE)
    asked.files[0].path.unlink()
    with pytest.raises(DeliveryError) as caught:
        deliver(asked, Bucket())
    assert caught.value.failure.whose == "ours"


# Names


@pytest.mark.req("P10")
def test_two_files_under_one_key_are_refused_before_the_first_byte(tmp_path: Path) -> None:
    bucket, asked = Bucket(), request(tmp_path, TWO)
    twins = tuple(replace(file, key="day/a.csv") for file in asked.files)
    with pytest.raises(NamingError):
        deliver(replace(asked, files=twins), bucket)
    assert bucket.puts == []


@pytest.mark.req("P10")
def test_a_key_of_another_partition_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    bucket.puts.clear()
    with pytest.raises(NamingError) as caught:
        deliver(request(tmp_path, {"day/b.csv": b"!"}, partition="2026-11-02"), bucket)
    assert (caught.value.happened, bucket.puts) == ("bucket://day/b.csv belongs to partition 2026-11-01", [])


@pytest.mark.req("P10")
def test_a_key_that_another_partition_has_planned_but_not_sent_is_refused_too(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO), crashing(bucket, 1, "before"))
    with pytest.raises(NamingError):
        deliver(request(tmp_path, {"day/b.csv": b"!"}, partition="2026-11-02"), bucket)


def test_a_key_of_another_export_is_refused_too(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    asked = request(tmp_path, TWO, attempt="other")
    with pytest.raises(NamingError) as caught:
        deliver(replace(asked, record=tmp_path / "deliveries" / "weekly" / "2026-11-01"), bucket)
    assert caught.value.happened == "bucket://day/a.csv belongs to partition 2026-11-01 of export daily"


def test_the_same_key_at_another_destination_is_no_collision(tmp_path: Path) -> None:
    deliver(request(tmp_path, ONE), Bucket("one"))
    outcome = deliver(request(tmp_path, ONE, partition="2026-11-02"), Bucket("two"))
    assert outcome.status == "delivered"


# Two at once


def test_a_second_run_of_the_partition_is_told_busy_and_harms_nothing(tmp_path: Path) -> None:
    bucket = Bucket()
    seen: list[type[Exception]] = []

    def second_run(_: object) -> None:
        with pytest.raises(Busy) as caught:
            deliver(request(tmp_path, OTHER_TWO, attempt="a2"), bucket)
        seen.append(caught.type)

    deliver(request(tmp_path, TWO), Wrapped(bucket, 1, "before", second_run))
    assert (seen, bucket.contents["day/b.csv"]) == ([Busy], b"two!")


def test_partitions_are_delivered_side_by_side(tmp_path: Path) -> None:
    bucket = Bucket()
    asked = [request(tmp_path, {f"{n}.csv": b"x"}, partition=f"2026-11-{n:02}") for n in range(1, 9)]
    keyed = [replace(r, manifest_key=lambda keys, g, n=n: f"{n}-g{g}.manifest.json") for n, r in enumerate(asked)]
    threads = [threading.Thread(target=deliver, args=(one, bucket)) for one in keyed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bucket.contents) == 16


# Crashes: puts are 1 a.csv, 2 b.csv, 3 the manifest


@pytest.mark.req("B2")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_after_a_crash_the_same_delivery_is_resumed_to_the_same_keys_and_bytes(
    tmp_path: Path, at: int, when: str
) -> None:
    undisturbed, bucket = Bucket(), Bucket()
    deliver(request(tmp_path / "undisturbed", TWO), undisturbed)
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(bucket, at, "after" if when == "after" else "before"))
    deliver(request(tmp_path, TWO, attempt="a2", run_id="another run"), bucket)
    assert bucket.contents == undisturbed.contents


def test_what_the_journal_has_as_sent_is_not_sent_again(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(bucket, 2, "before"))
    bucket.puts.clear()
    deliver(request(tmp_path, TWO, attempt="a2"), bucket)
    assert bucket.puts == ["day/b.csv", "day/daily-g1.manifest.json"]


def test_a_crash_before_the_first_byte_leaves_no_generation_behind(tmp_path: Path) -> None:
    bucket, asked = Bucket(), request(tmp_path, TWO)
    damaged = asked.files[0].path
    damaged.write_bytes(b"damaged")
    with pytest.raises(DeliveryError):
        deliver(replace(asked, files=asked.files[:1]), bucket)
    outcome = deliver(request(tmp_path, OTHER_TWO, attempt="a2"), bucket)
    assert (outcome.manifest.generation, outcome.manifest.supersedes) == (1, None)


def test_an_abandoned_plan_is_superseded_and_its_keys_are_overwritten_or_emptied(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(bucket, 2, "after"))
    deliver(request(tmp_path, {"day/a.csv": b"newer"}, attempt="a2"), bucket)
    assert bucket.contents["day/b.csv"] == EMPTY_FILE
    assert (manifest_in(bucket, 2).generation, manifest_in(bucket, 2).supersedes) == (2, None)
    assert "day/daily-g1.manifest.json" not in bucket.contents


def test_a_key_that_an_abandoned_plan_never_began_is_not_emptied(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(bucket, 1, "before"))
    deliver(request(tmp_path, {"day/a.csv": b"newer"}, attempt="a2"), bucket)
    assert "day/b.csv" not in bucket.contents


def test_going_back_to_the_delivered_bytes_mends_what_an_abandoned_plan_overwrote(tmp_path: Path) -> None:
    bucket = Bucket()
    deliver(request(tmp_path, TWO), bucket)
    with pytest.raises(Crash):
        deliver(request(tmp_path, OTHER_TWO, attempt="a2"), crashing(bucket, 1, "after"))
    outcome = deliver(request(tmp_path, TWO, attempt="a3"), bucket)
    assert (bucket.contents["day/b.csv"], outcome.manifest.generation, outcome.manifest.supersedes) == (b"two!", 3, 1)


def test_a_generation_whose_manifest_may_lie_there_is_finished_before_the_next_one(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO), crashing(bucket, 3, "after"))
    outcome = deliver(request(tmp_path, OTHER_TWO, attempt="a2"), bucket)
    assert (outcome.manifest.supersedes, [g.is_delivered for g in generations(record(tmp_path))]) == (1, [True, True])


def test_a_torn_journal_line_means_that_the_step_never_was(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, parallel=1), crashing(bucket, 2, "before"))
    journal = record(tmp_path) / "journal-g1.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"event": "sent", "key": "day/b.c')
    deliver(request(tmp_path, TWO, attempt="a2"), bucket)
    assert bucket.contents["day/b.csv"] == b"two!"
    assert [json.loads(line)["event"] for line in journal.read_text().splitlines()].count("sent") == 3


def test_a_write_once_destination_is_resumed_without_overwriting(tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Crash):
        deliver(request(tmp_path, TWO, on_rerun="new_names", parallel=1), crashing(bucket, 1, "after"))
    outcome = deliver(request(tmp_path, TWO, attempt="a2", on_rerun="new_names"), bucket)
    assert [file.key for file in outcome.manifest.files] == list(TWO)


# The law: whatever was asked for and wherever it crashed, the last delivery is whole and right

Contents = dict[str, bytes]
contents = st.dictionaries(
    st.sampled_from(["day/a.csv", "day/b.csv", "day/c.csv"]), st.sampled_from([b"1", b"22", b"333"]), max_size=3
)
crash = st.none() | st.tuples(st.integers(1, 6), st.sampled_from(["before", "after"]))


@pytest.mark.req("B2")
@pytest.mark.parametrize("on_rerun", ["overwrite", "new_names"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(history=st.lists(st.tuples(contents, crash), min_size=1, max_size=5), last=contents)
def test_any_history_of_requests_and_crashes_ends_in_a_whole_and_right_delivery(
    tmp_path_factory: pytest.TempPathFactory,
    on_rerun: OnRerun,
    history: list[tuple[Contents, tuple[int, str] | None]],
    last: Contents,
) -> None:
    state, bucket = tmp_path_factory.mktemp("law"), Bucket()
    for attempt, (asked, crash_at) in enumerate([*history, (last, None)]):
        plan = request(state, dict(sorted(asked.items())), attempt=f"a{attempt}", on_rerun=on_rerun, parallel=1)
        at, when = crash_at or (99, "before")
        try:
            deliver(plan, crashing(bucket, at, "after" if when == "after" else "before"))
        except Crash:
            assert_manifests_stand(bucket, on_rerun)
    newest = latest_manifest(record(state))
    assert newest is not None
    delivered = [bucket.contents[file.key] for file in newest.files]
    assert delivered == [content for _, content in sorted(last.items())]
    if on_rerun == "overwrite":
        assert {key: c for key, c in bucket.contents.items() if "manifest" not in key and c != EMPTY_FILE} == last


def assert_manifests_stand(bucket: Bucket, on_rerun: OnRerun) -> None:
    """Write-once files never change, so every manifest holds at any time."""
    if on_rerun == "new_names":
        for manifest in delivered_manifests(bucket):
            bucket.assert_holds(manifest)


def delivered_manifests(bucket: Bucket) -> Iterator[Manifest]:
    for key, content in bucket.contents.items():
        if key.endswith(".manifest.json"):
            yield Manifest.from_json(content.decode())
