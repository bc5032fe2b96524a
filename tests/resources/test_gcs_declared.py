"""Google Cloud Storage without Google: what is declared, what errors mean, what the policy grants."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import requests
from google.api_core.exceptions import from_http_status
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from pydantic import ValidationError

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.gcs.declaration import GcsDestination
from ctexport_dagster.resources.gcs.errors import failure_of, says_it_exists
from ctexport_dagster.resources.gcs.key import KeyCredentials
from ctexport_dagster.resources.gcs.policy import condition, policy

DECLARED = {"type": "gcs", "name": "acme_gcs", "bucket": "acme-exports"}


def declared(**options: object) -> GcsDestination:
    return GcsDestination.model_validate({**DECLARED, **options})


def refusal(status: int, reason: str = "", message: str = "", *, method: str = "POST", **headers: str) -> Exception:
    """What Google's client raises for an answer."""
    answer = requests.Response()
    answer.status_code = status
    answer.request = requests.Request(method, "https://storage.googleapis.com/upload?upload_id=SESSION").prepare()
    answer.headers.update(headers)
    told = {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}
    answer._content = json.dumps(told).encode() if reason else b"Not JSON"
    return from_http_status(
        status, f"POST https://storage.googleapis.com/upload?upload_id=SESSION: {message}", response=answer
    )


def token_refusal(code: str, description: str, *, retryable: bool = False) -> RefreshError:
    told: Mapping[str, str] = {"error": code, "error_description": description}
    return RefreshError(f"{code}: {description}", told, retryable=retryable)


def lacks(permission: str) -> Exception:
    message = f"x@y.iam.gserviceaccount.com does not have {permission} access to the Google Cloud Storage object."
    return refusal(403, "forbidden", message)


def in_another_process(lines: Sequence[str]) -> str:
    """What these lines print where Google's library isn't loaded already."""
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True).stdout


def of(error: Exception) -> Failure:
    return failure_of(error)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("error", "whose", "code"),
    [
        (token_refusal("invalid_grant", "Invalid JWT Signature."), "customer", "invalid_grant"),
        (token_refusal("invalid_grant", "Invalid grant: account not found"), "customer", "invalid_grant"),
        (token_refusal("internal_failure", "try later", retryable=True), "transient", "internal_failure"),
        (RefreshError("<html>busy</html>", retryable=True), "transient", "temporarily_unavailable"),
        (RefreshError("<html>no</html>"), "customer", "RefreshError"),
        (TransportError(requests.ConnectionError("refused")), "transient", "ConnectionError"),
        (TransportError("no metadata server"), "transient", "TransportError"),
        (requests.ConnectionError("reset"), "transient", "ConnectionError"),
        (requests.ReadTimeout("silent"), "transient", "Timeout"),
        (requests.exceptions.ChunkedEncodingError("torn"), "transient", "ChunkedEncodingError"),
        (requests.exceptions.SSLError("EOF in violation of protocol"), "transient", "ConnectionError"),
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), "customer", "certificateUntrusted"),
        (requests.exceptions.InvalidURL("http://"), "ours", "InvalidURL"),
        (refusal(401, "authError", "Invalid Credentials"), "customer", "401 authError"),
        (lacks("storage.objects.create"), "customer", "403 storage.objects.create"),
        (lacks("storage.objects.delete"), "customer", "403 storage.objects.delete"),
        (lacks("storage.objects.get"), "customer", "403 storage.objects.get"),
        (refusal(403, "forbidden", "Forbidden"), "customer", "403 forbidden"),
        (refusal(403), "customer", "403"),
        (refusal(403, "retentionPolicyNotMet", "kept"), "customer", "403 retentionPolicyNotMet"),
        (refusal(403, "accountDisabled", "billing"), "customer", "403 accountDisabled"),
        (refusal(403, "forbidden", "Permission denied on Cloud KMS key."), "customer", "403 kmsKeyDenied"),
        (refusal(403, "userRateLimitExceeded", "slow"), "transient", "403 userRateLimitExceeded"),
        (
            refusal(400, "invalid", "Provided CRC32C a doesn't match calculated CRC32C b."),
            "transient",
            "400 crc32cMismatch",
        ),
        (refusal(400, "invalid", "Something else"), "ours", "400 invalid"),
        (refusal(404, "notFound", "The specified bucket does not exist."), "customer", "404 notFound"),
        (refusal(404, method="PUT"), "transient", "404 uploadSessionLost"),
        (refusal(410, method="PUT"), "transient", "410 uploadSessionLost"),
        (refusal(409, "conflict", "concurrent"), "transient", "409 conflict"),
        (refusal(412, "orgPolicyConstraintFailed", "policy"), "ours", "412 orgPolicyConstraintFailed"),
        (refusal(408), "transient", "408"),
        (refusal(429, "rateLimitExceeded", "slow"), "transient", "429 rateLimitExceeded"),
        (refusal(500, "backendError", "Backend Error"), "transient", "500 backendError"),
        (refusal(503), "transient", "503"),
        (refusal(418), "ours", "418"),
    ],
)
def test_an_error_is_classified_by_its_code_first_and_its_status_second(
    error: Exception, whose: str, code: str
) -> None:
    failure = of(error)
    assert (failure.whose, failure.code) == (whose, code)


@pytest.mark.req("S10", "P37", "G2")
@pytest.mark.parametrize(
    ("error", "happened", "cause", "fix"),
    [
        (
            token_refusal("invalid_grant", "Invalid JWT Signature."),
            "Invalid Google Cloud credentials",
            "key is invalid or expired",
            "create a new JSON key",
        ),
        (
            lacks("storage.objects.create"),
            "All access to this object has been disabled",
            "key is invalid or expired, or its role on the bucket was removed or is not configured",
            "roles/storage.objectCreator",
        ),
        (
            refusal(404, "notFound", "The specified bucket does not exist."),
            "The specified GCS bucket does not exist",
            "is deleted, or its name in the destination's file is not exactly",
            "bucket names must match exactly",
        ),
    ],
)
def test_the_three_rows_of_the_error_table_say_message_cause_and_fix(
    error: Exception, happened: str, cause: str, fix: str
) -> None:
    failure = of(error)
    assert (failure.happened, cause in failure.cause, fix in failure.fix) == (happened, True, True)


def test_a_file_that_may_not_be_replaced_names_the_setting_that_needs_no_replacing() -> None:
    assert [("on_rerun: new_names" in of(lacks("storage.objects.delete")).fix)] == [True]


def test_a_wrong_clock_is_not_held_against_the_customer() -> None:
    description = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    failure = of(token_refusal("invalid_grant", description))
    assert (failure.whose, failure.code) == ("ours", "clockSkew")


@pytest.mark.parametrize(
    ("error", "exists"),
    [
        (refusal(412, "conditionNotMet", "precondition"), True),
        (refusal(412), True),
        (refusal(412, "orgPolicyConstraintFailed", "policy"), False),
        (lacks("storage.objects.delete"), True),
        (refusal(403, "retentionPolicyNotMet", "kept"), True),
        (lacks("storage.objects.create"), False),
        (refusal(503), False),
        (DefaultCredentialsError("none"), False),
    ],
)
def test_a_file_lies_there_if_the_precondition_says_so_or_if_putting_it_would_replace_one(
    error: Exception, exists: bool
) -> None:
    assert says_it_exists(error, overwrites=False) == exists  # pyright: ignore[reportArgumentType]


def test_a_replacement_that_is_refused_is_no_success() -> None:
    assert not says_it_exists(lacks("storage.objects.delete"), overwrites=True)  # pyright: ignore[reportArgumentType]


def test_a_wait_that_google_asks_for_is_kept() -> None:
    assert of(refusal(429, "rateLimitExceeded", "slow", **{"Retry-After": "7"})).retry_after_seconds == 7


def test_no_text_of_googles_shows_for_it_may_hold_the_address_of_an_upload() -> None:
    shown = [str(of(refusal(status, "backendError", "upload_id=SESSION"))) for status in (400, 403, 404, 500)]
    assert [text for text in shown if "SESSION" in text] == []


@pytest.mark.parametrize(
    "options",
    [
        {"bucket": "gs://acme-exports"},
        {"bucket": "acme-exports/folder"},
        {"bucket": "Acme-Exports"},
        {"bucket": "acme-exports "},
        {"bucket": "ab"},
        {"prefix": "/crm"},
        {"prefix": "crm/../other"},
        {"key_json": '{"private_key": "hunter2"}'},
        {"key_json": {"env": "KEY"}, "key_file": "key.json"},
        {"endpoint_url": "storage.googleapis.com"},
        {"endpoint_url": "https://user:password@host"},
        {"kms_key": "exports"},
        {"storage_class": "COLD"},
        {"parallel_uploads": 0},
        {"read_timeout_seconds": 0},
    ],
)
def test_a_declaration_that_cannot_work_is_refused_without_showing_what_was_declared(
    options: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as caught:
        declared(**options)
    assert [secret for secret in ("hunter2", "password") if secret in str(caught.value)] == []


@pytest.mark.req("G2")
def test_a_bucket_with_its_scheme_is_told_to_be_written_exactly() -> None:
    with pytest.raises(ValidationError, match="exactly as Google has it, without gs://"):
        declared(bucket="gs://acme-exports")


def test_the_address_needs_neither_secret_nor_library() -> None:
    lines = [
        "import sys; from pathlib import Path",
        "from ctexport_dagster.core.surroundings import Surroundings",
        "from ctexport_dagster.resources.gcs.declaration import GcsDestination",
        f"opened = GcsDestination.model_validate({DECLARED | {'prefix': 'crm'}!r}).open(Surroundings(Path()))",
        "print(opened.address('a.csv'), any(name.startswith(('google', 'dagster.')) for name in sys.modules))",
    ]
    assert in_another_process(lines).split() == ["gs://acme-exports/crm/a.csv", "False"]


@pytest.mark.req("P37")
@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({"KEY": "{ no JSON"}, {"key_json": {"env": "KEY"}}),
        ({"KEY": "[]"}, {"key_json": {"env": "KEY"}}),
        ({"KEY": json.dumps({"type": "service_account", "private_key": "torn"})}, {"key_json": {"env": "KEY"}}),
        ({}, {"key_file": "nowhere.json"}),
    ],
)
def test_the_check_finds_a_key_that_is_missing_or_torn(
    tmp_path: Path, environment: Mapping[str, str], options: dict[str, object]
) -> None:
    failure = declared(**options).open(Surroundings(tmp_path, environment)).check()
    assert failure is not None
    assert (failure.whose, failure.code, "torn" in str(failure)) == ("customer", "keyUnusable", False)


def test_the_check_names_the_variable_of_a_key_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="NOT_SET: is not set"):
        declared(key_json={"env": "NOT_SET"}).open(Surroundings(tmp_path)).check()


def test_a_missing_extra_names_the_pip_command() -> None:
    lines = [
        "import sys; sys.modules['dagster_gcp'] = None",
        "from pathlib import Path",
        "from ctexport_dagster.core.errors import ConfigurationError",
        "from ctexport_dagster.core.surroundings import Surroundings",
        "from ctexport_dagster.resources.gcs.declaration import GcsDestination",
        f"opened = GcsDestination.model_validate({DECLARED!r}).open(Surroundings(Path()))",
        "try:",
        "    opened.check()",
        "except ConfigurationError as error:",
        "    print(error)",
    ]
    assert 'pip install "ctexport-dagster[gcs]"' in in_another_process(lines)


@pytest.mark.req("S4")
def test_the_policy_grants_creating_on_this_bucket_and_no_reading() -> None:
    text = policy("acme-exports")
    assert "gs://acme-exports" in text
    assert "--role=roles/storage.objectCreator" in text
    assert "--permissions=storage.objects.create\n" in text
    assert [right for right in ("objects.get", "objects.list", "storage.admin", "condition") if right in text] == []


def test_the_policy_can_be_narrowed_to_a_folder() -> None:
    expected = 'resource.name.startsWith("projects/_/buckets/acme-exports/objects/crm/")'
    assert (condition("acme-exports", "crm"), expected in policy("acme-exports", prefix="crm")) == (expected, True)


@pytest.mark.req("P2")
def test_a_key_is_used_without_asking_another_host_for_its_regions() -> None:
    def fails(*_: object, **__: object) -> object:
        raise AssertionError("a request beside the upload's")

    credentials = KeyCredentials(None, "x@y.iam.gserviceaccount.com", "https://oauth2.googleapis.com/token")
    before = threading.active_count()
    credentials._after_refresh(fails, "POST", "https://storage.googleapis.com/upload", {})
    assert credentials._rab_manager._data.cooldown_expiry is None
    assert threading.active_count() == before
