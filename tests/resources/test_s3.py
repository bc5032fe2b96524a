"""S3: what a declaration may say, what its errors mean, and what is asked of the service. No server is needed."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from pydantic import ValidationError

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import ConfigurationError, DeliveryError
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.s3.bucket import S3Bucket
from ctexport_dagster.resources.s3.client import WritingS3
from ctexport_dagster.resources.s3.declaration import BUCKET_REGIONS, S3Destination
from ctexport_dagster.resources.s3.failures import s3_failure
from ctexport_dagster.resources.s3.policy import bucket_policy, key_policy, policy

KEY = {"access_key_id": {"env": "KEY"}, "secret_access_key": {"env": "SECRET"}}


def declared(**options: object) -> S3Destination:
    least = {"type": "s3", "name": "acme", "bucket": "acme-exports", "region": "eu-west-1"}
    return S3Destination.model_validate({**least, **options})


def client_error(status: int, code: str, *, operation: str = "PutObject", **headers: str) -> ClientError:
    reply = {"HTTPStatusCode": status, "HTTPHeaders": {name.replace("_", "-"): v for name, v in headers.items()}}
    return ClientError({"Error": {"Code": code, "Message": "echo"}, "ResponseMetadata": reply}, operation)  # type: ignore[arg-type]


def asked(tmp_path: Path, *, overwrites: bool = False, **options: object) -> Mapping[str, object]:
    """The arguments of the call that would put one file."""
    sha256 = hashlib.sha256(b"x").hexdigest()
    bucket = declared(**options).open(Surroundings(tmp_path))
    return bucket._arguments("day/a.csv", b"x", sha256, replaces=overwrites)


# Declarations


@pytest.mark.req("S2")
@pytest.mark.parametrize(
    "written",
    [
        "acme-exports",
        "s3://acme-exports",
        "s3://acme-exports/",
        "https://acme-exports.s3.eu-west-1.amazonaws.com",
        "https://acme-exports.s3.amazonaws.com/",
        "https://s3.eu-west-1.amazonaws.com/acme-exports",
    ],
)
def test_a_bucket_is_declared_by_name_or_url(written: str) -> None:
    assert declared(bucket=written).bucket == "acme-exports"


@pytest.mark.parametrize(
    "mistake",
    [
        {"bucket": "acme/exports"},
        {"bucket": "s3://acme/exports"},
        {"region": None},
        {"region": "Ireland"},
        {"access_key_id": {"env": "KEY"}},
        {"session_token": {"env": "TOKEN"}},
        {"external_id": {"env": "ID"}},
        {"kms_key_id": "alias/x"},
        {"prefix": "/a"},
        {"prefix": "a/../b"},
        {"endpoint_url": "https://user:password@minio"},
        {"secret_access_key": "in clear"},
        {"parallel_uploads": 0},
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(mistake: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        declared(**mistake)


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    ("account", "bucket"),
    [
        ("eu1", "eu-west-1"),
        ("in1", "ap-south-1"),
        ("us1", "us-west-2"),
        ("sg1", "ap-southeast-1"),
        ("sk1", "ap-northeast-2"),
    ],
)
def test_the_accounts_region_gives_the_buckets(account: str, bucket: str) -> None:
    assert declared(region=None, clevertap_region=account).effective_region == bucket
    assert len(BUCKET_REGIONS) == 5


@pytest.mark.req("S3")
def test_a_bucket_in_another_region_than_the_accounts_is_warned_of() -> None:
    assert [declared(clevertap_region=account).warnings == () for account in ("eu1", "us1")] == [True, False]


def test_another_service_needs_no_region_and_gets_no_warning() -> None:
    other = declared(region=None, endpoint_url="https://minio.example.com", clevertap_region=None)
    assert (other.effective_region, other.warnings) == ("us-east-1", ())


def test_opening_resolves_no_secret_and_the_address_needs_none(tmp_path: Path) -> None:
    bucket = declared(**KEY, prefix="daily").open(Surroundings(tmp_path))
    assert bucket.address("a.csv") == "s3://acme-exports/daily/a.csv"


def test_a_secret_that_is_not_set_is_named_when_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        declared(**KEY).open(Surroundings(tmp_path)).check()
    assert str(caught.value) == "environment: KEY: is not set; a declared file takes a secret from it"


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    surroundings = Surroundings(tmp_path, {"KEY": "AKIA-visible", "SECRET": "very-secret"})
    bucket = declared(**KEY).open(surroundings)
    assert bucket.check() is None
    client = WritingS3(aws_access_key_id="AKIA-visible", aws_secret_access_key="very-secret")
    shown = f"{bucket!r} {bucket} {client!r} {client}"
    assert [secret in shown for secret in ("AKIA-visible", "very-secret")] == [False, False]


# What is asked of the service


def test_a_plain_put_names_the_key_and_its_checksum_and_replaces_nothing(tmp_path: Path) -> None:
    assert asked(tmp_path, prefix="p") == {
        "Bucket": "acme-exports",
        "Key": "p/day/a.csv",
        "Body": b"x",
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(b"x").digest()).decode(),
        "IfNoneMatch": "*",
    }


@pytest.mark.req("S5")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"encryption": "sse-s3"}, {"ServerSideEncryption": "AES256"}),
        ({"encryption": "sse-kms"}, {"ServerSideEncryption": "aws:kms"}),
        (
            {"encryption": "sse-kms", "kms_key_id": "alias/x"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/x"},
        ),
        ({"storage_class": "STANDARD_IA"}, {"StorageClass": "STANDARD_IA"}),
        ({"bucket_owner": "123456789012"}, {"ExpectedBucketOwner": "123456789012"}),
    ],
)
def test_options_become_headers(tmp_path: Path, options: dict[str, str], expected: dict[str, str]) -> None:
    plain = asked(tmp_path)
    assert {name: value for name, value in asked(tmp_path, **options).items() if name not in plain} == expected


def test_a_file_of_an_older_generation_is_replaced(tmp_path: Path) -> None:
    assert "IfNoneMatch" not in asked(tmp_path, overwrites=True)


def test_conditional_writes_can_be_turned_off(tmp_path: Path) -> None:
    assert "IfNoneMatch" not in asked(tmp_path, conditional_writes=False)


def test_a_reply_with_another_checksum_is_a_damaged_file_and_sent_again_over_it(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.write_bytes(b"x")
    replies = iter([{"ChecksumSHA256": "another"}, {}])
    seen: list[Mapping[str, object]] = []

    class Client:
        def put_object(self, **arguments: object) -> Mapping[str, object]:
            seen.append(arguments)
            return next(replies)

    bucket = declared().open(Surroundings(tmp_path))
    bucket._kept = Client()  # type: ignore[assignment]
    upload = Upload(staged, "a.csv", 1, hashlib.sha256(b"x").hexdigest(), "a1", overwrites=False)
    with pytest.raises(DeliveryError) as caught:
        bucket.put(upload)
    assert (caught.value.failure.is_transient, bucket.put(upload)) == (True, "written")
    assert ["IfNoneMatch" in arguments for arguments in seen] == [True, False]


# What errors mean


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "InvalidAccessKeyId", "Invalid AWS credentials"),
        (403, "AccessDenied", "All access to this object has been disabled"),
        (404, "NoSuchBucket", "The specified S3 bucket does not exist"),
    ],
)
def test_the_three_errors_of_the_table_have_its_words(status: int, code: str, message: str) -> None:
    failure = s3_failure(client_error(status, code))
    assert (failure.happened, failure.whose, failure.code) == (message, "customer", f"{status} {code}")


@pytest.mark.req("P37")
@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (client_error(400, "ExpiredToken"), "customer"),
        (client_error(301, "PermanentRedirect"), "customer"),
        (client_error(400, "AuthorizationHeaderMalformed"), "customer"),
        (client_error(403, "AccessDenied", operation="AssumeRole"), "customer"),
        (client_error(501, "NotImplemented"), "customer"),
        (client_error(403, "RequestTimeTooSkewed"), "ours"),
        (client_error(418, "Teapot"), "ours"),
        (client_error(400, "RequestTimeout"), "transient"),
        (client_error(503, "SlowDown"), "transient"),
        (client_error(409, "ConditionalRequestConflict"), "transient"),
        (client_error(400, "BadDigest"), "transient"),
        (client_error(502, "502"), "transient"),
        (ConnectTimeoutError(endpoint_url="https://x"), "transient"),
        (NoCredentialsError(), "customer"),
    ],
    ids=str,
)
def test_errors_are_classified_by_code_first(error: ClientError, whose: str) -> None:
    assert s3_failure(error).whose == whose


def test_the_buckets_true_region_is_named_where_the_service_tells_it() -> None:
    failure = s3_failure(client_error(301, "PermanentRedirect", x_amz_bucket_region="us-west-2"))
    assert failure.fix == "Write region: us-west-2 into the destination's file"


def test_a_wait_that_is_asked_for_is_passed_on() -> None:
    assert s3_failure(client_error(503, "SlowDown", retry_after="7")).retry_after_seconds == 7


def test_what_the_service_echoes_is_left_out() -> None:
    strange = client_error(403, "<b>AKIA SECRET</b>")
    assert "SECRET" not in f"{s3_failure(strange)} {s3_failure(client_error(403, 'AccessDenied'))}"


# Policies


@pytest.mark.req("S4")
def test_the_bucket_policy_lets_one_principal_write() -> None:
    principal = "arn:aws:iam::123456789012:root"
    allowed = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:PutObject*"}
    assert json.loads(bucket_policy("acme", principal)) == {
        "Version": "2012-10-17",
        "Statement": [
            {**allowed, "Resource": "arn:aws:s3:::acme/*"},
            {**allowed, "Resource": "arn:aws:s3:::acme"},
        ],
    }


@pytest.mark.req("S4")
def test_the_key_policy_lists_the_bucket_and_puts_objects() -> None:
    assert json.loads(key_policy("acme"))["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::acme"]},
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::acme/*"]},
    ]


def test_the_policy_text_holds_both() -> None:
    text = policy("acme", principal="arn:aws:iam::123456789012:root")
    assert [part in text for part in (bucket_policy("acme", "arn:aws:iam::123456789012:root"), key_policy("acme"))] == [
        True,
        True,
    ]


def test_an_opened_bucket_is_one(tmp_path: Path) -> None:
    assert isinstance(declared().open(Surroundings(tmp_path)), S3Bucket)
