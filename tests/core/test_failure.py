"""Failures: whose they are, by code first and status second."""

import errno
import os

import pytest

from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import (
    HTTP_STATUSES,
    LOCAL_DISK,
    UNREACHABLE,
    FailureTable,
    Verdict,
    local_failure,
)

POLICY = Verdict("customer", "the policy forbids it", "it was removed", "Apply it again")
TABLE = FailureTable(codes={"NoPolicy": POLICY, "RequestTimeout": UNREACHABLE}, statuses=HTTP_STATUSES)


def test_the_code_decides_before_the_status() -> None:
    assert TABLE.classify(code="RequestTimeout", status=403).whose == "transient"


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("status", "whose"),
    [
        (401, "customer"),
        (403, "customer"),
        (404, "customer"),
        (429, "transient"),
        (500, "transient"),
        (503, "transient"),
    ],
)
def test_the_status_decides_where_the_code_is_unknown(status: int, whose: str) -> None:
    assert TABLE.classify(code="Unheard", status=status).whose == whose


@pytest.mark.parametrize("status", [None, 400, 405, 409, 412, 418])
def test_what_neither_code_nor_status_explains_is_ours(status: int | None) -> None:
    assert TABLE.classify(code="Unheard", status=status).whose == "ours"


def test_a_failure_shows_status_and_code_as_the_service_gave_them() -> None:
    assert (TABLE.classify(code="NoPolicy", status=403).code, TABLE.classify().code) == ("403 NoPolicy", "no code")


def test_a_wait_that_the_service_asked_for_is_kept() -> None:
    assert TABLE.classify(status=429, retry_after_seconds=7.5).retry_after_seconds == 7.5


@pytest.mark.req("P37")
@pytest.mark.parametrize("verdict", [*HTTP_STATUSES.values(), *LOCAL_DISK.codes.values()])
def test_every_verdict_says_what_happened_why_and_what_to_do(verdict: Verdict) -> None:
    texts = (verdict.happened, verdict.cause, verdict.fix)
    assert all(text and not text.endswith(".") for text in texts)


@pytest.mark.parametrize(
    ("number", "whose"),
    [
        (errno.EACCES, "customer"),
        (errno.EPERM, "customer"),
        (errno.EROFS, "customer"),
        (errno.ENOSPC, "customer"),
        (errno.EDQUOT, "customer"),
        (errno.ENOENT, "customer"),
        (errno.ENAMETOOLONG, "customer"),
        (errno.EISDIR, "customer"),
        (errno.EIO, "transient"),
        (errno.EMFILE, "ours"),
        (errno.EINVAL, "ours"),
    ],
)
def test_errors_of_the_disk_are_told_apart(number: int, whose: str) -> None:
    failure = local_failure(OSError(number, os.strerror(number), "/secret/place"))
    assert (failure.whose, failure.code, "secret" in str(failure)) == (whose, errno.errorcode[number], False)


def test_an_os_error_without_a_number_is_ours() -> None:
    assert (local_failure(OSError("odd")).whose, local_failure(OSError("odd")).code) == ("ours", "OSError")


def test_a_delivery_error_carries_its_failure_and_reads_as_sentences() -> None:
    error = DeliveryError("Sending a.csv", TABLE.classify(code="NoPolicy", status=403))
    assert error.failure.whose == "customer"
    assert str(error) == "Sending a.csv: the policy forbids it (403 NoPolicy): it was removed. Apply it again."
