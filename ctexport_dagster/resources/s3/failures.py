"""What S3's errors mean: its codes and those of its client, then the HTTP statuses.

The messages of the first three are those of REQUIREMENTS S10. An error of taking on a role has `AssumeRole.` before
its code.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from ctexport_dagster.core.failure import (
    HTTP_STATUSES,
    SLOW_DOWN,
    STUMBLED,
    UNREACHABLE,
    Failure,
    FailureTable,
    Verdict,
)

INVALID_CREDENTIALS = Verdict(
    "customer",
    "Invalid AWS credentials",
    "AWS credentials are expired or deleted",
    "Create a new access key ID and secret access key, and put them where the destination's file points",
)
ACCESS_DISABLED = Verdict(
    "customer",
    "All access to this object has been disabled",
    "the IAM policy is removed from the S3 bucket, or is not configured",
    "Check the policy against what `ctexport policy s3` prints, or reconfigure the credentials",
)
NO_BUCKET = Verdict(
    "customer",
    "The specified S3 bucket does not exist",
    "the S3 bucket is deleted, or its name is misspelt",
    "Create a new S3 bucket, or mend bucket in the destination's file",
)
_NO_CREDENTIALS = Verdict(
    "customer",
    "no AWS credentials were found",
    "the destination's file names none, and this machine has none: no environment, profile or role",
    "Add access_key_id and secret_access_key to the destination's file, or give the machine a role",
)
_ROLE_REFUSED = Verdict(
    "customer",
    "the role can't be taken on",
    "its trust policy doesn't name these credentials, or asks for another external_id",
    "Compare role_arn and external_id with the role's trust policy",
)
_WRONG_REGION = Verdict(
    "customer",
    "the bucket is in another region",
    "region in the destination's file is not the bucket's",
    "Look the bucket's region up and mend region",
)
_CLOCK = Verdict(
    "ours",
    "this machine's clock is wrong",
    "it differs from the service's by more than 15 minutes",
    "Set the clock, and keep it right with NTP",
)
_DAMAGED = Verdict(
    "transient",
    "the file was damaged on its way",
    "the network, or a proxy that changes what it passes on",
    "It is sent again by itself; if it stays, look for a proxy on the way",
)
_KMS = Verdict(
    "customer",
    "the encryption key can't be used",
    "the KMS key is disabled, deleted, in another region, or its policy doesn't let us use it",
    "Allow kms:GenerateDataKey on the key that kms_key_id names, or choose another key",
)
_TAKEN = Verdict(
    "customer",
    "another file has this name",
    "something other than this export wrote it, or ctexport's state folder was lost",
    "Move it away, or choose another prefix or name under files; ctexport never overwrites others' files",
)
_TOO_LARGE = Verdict(
    "customer", "the file is larger than is allowed there", "the service limits a file's size", "Lower files.chunk_size"
)
_QUOTA = Verdict(
    "customer",
    "there is no room left",
    "the bucket's or account's quota is used up",
    "Make room or raise the quota, then run the partition again: it goes on where it stopped",
)
_BAD_NAME = Verdict(
    "customer",
    "the bucket's name or the key is not allowed there",
    "S3 takes names of 3 to 63 letters, digits and dashes, and keys of up to 1024 bytes",
    "Mend bucket, prefix or the names under files",
)
_BAD_OPTION = Verdict(
    "customer",
    "the service doesn't know an option that was sent",
    "storage_class, encryption or conditional_writes isn't supported there",
    "Leave storage_class and encryption out, and set conditional_writes: false, in the destination's file",
)
_NOT_TLS = Verdict(
    "customer",
    "the service's certificate can't be trusted",
    "endpoint_url names another host, or a proxy with a certificate of its own stands in between",
    "Compare endpoint_url with the certificate's name; make the proxy's authority known through AWS_CA_BUNDLE",
)
_BAD_ACCOUNT = Verdict(
    "customer", "the AWS account can't be used", "it is suspended or not signed up for S3", "Ask AWS's support"
)

_CODES: Mapping[Verdict, str] = {
    INVALID_CREDENTIALS: """InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken ExpiredTokenException
        TokenRefreshRequired InvalidSecurity InvalidClientTokenId UnrecognizedClientException""",
    ACCESS_DISABLED: "AccessDenied AllAccessDisabled AccessForbidden UnauthorizedAccess",
    NO_BUCKET: "NoSuchBucket",
    _NO_CREDENTIALS: """NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError
        ProfileNotFound UnauthorizedSSOTokenError SSOTokenLoadError NoAuthTokenError""",
    _ROLE_REFUSED: "AssumeRole.AccessDenied",
    _WRONG_REGION: """PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException
        AssumeRole.RegionDisabledException InvalidRegionError""",
    _CLOCK: "RequestTimeTooSkewed RequestExpired RequestInTheFuture",
    _DAMAGED: """BadDigest InvalidDigest IncompleteBody XAmzContentSHA256Mismatch XAmzContentChecksumMismatch
        ChecksumMismatch FlexibleChecksumError""",
    _KMS: """KMS.DisabledException KMS.NotFoundException KMS.KMSInvalidStateException KMS.InvalidKeyUsageException
        KMS.KeyUnavailableException KMS.AccessDeniedException""",
    _TAKEN: "PreconditionFailed",
    _TOO_LARGE: "EntityTooLarge MaxMessageLengthExceeded",
    _QUOTA: "QuotaExceeded XMinioAdminBucketQuotaExceeded XMinioStorageFull ServiceQuotaExceededException",
    _BAD_NAME: "InvalidBucketName KeyTooLongError InvalidURI XMinioInvalidObjectName",
    _BAD_OPTION: "NotImplemented InvalidStorageClass InvalidEncryptionAlgorithmError",
    _NOT_TLS: "SSLError",
    _BAD_ACCOUNT: "AccountProblem NotSignedUp InvalidPayer",
    SLOW_DOWN: "SlowDown Throttling ThrottlingException RequestLimitExceeded TooManyRequests KMS.ThrottlingException",
    STUMBLED: """InternalError ServiceUnavailable OperationAborted ConditionalRequestConflict TemporaryRedirect
        ServerBusy""",
    UNREACHABLE: """RequestTimeout EndpointConnectionError ConnectTimeoutError ReadTimeoutError ConnectionClosedError
        ConnectionError ProxyConnectionError HTTPClientError ResponseStreamingError IncompleteReadError""",
}

S3 = FailureTable(
    codes={code: verdict for verdict, codes in _CODES.items() for code in codes.split()},
    statuses={
        **HTTP_STATUSES,
        301: _WRONG_REGION,
        307: STUMBLED,
        401: INVALID_CREDENTIALS,
        403: ACCESS_DISABLED,
        404: NO_BUCKET,
        412: _TAKEN,
        413: _TOO_LARGE,
        501: _BAD_OPTION,
    },
)


def s3_failure(error: ClientError | BotoCoreError) -> Failure:
    """What an error of the client means. Its text is left out: it may name keys, and echo what was sent."""
    if not isinstance(error, ClientError):
        return S3.classify(code=type(error).__name__)
    reply = error.response.get("ResponseMetadata", {})
    status, headers = reply.get("HTTPStatusCode"), reply.get("HTTPHeaders", {})
    code = error.response.get("Error", {}).get("Code", "")
    if error.operation_name == "AssumeRole" and f"AssumeRole.{code}" in S3.codes:
        code = f"AssumeRole.{code}"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,63}", code):
        code = None  # the client makes the status its code where the service sent none
    failure = S3.classify(code=code, status=status, retry_after_seconds=_seconds(headers.get("retry-after")))
    return _with_region(failure, error)


def _with_region(failure: Failure, error: ClientError) -> Failure:
    """Names the bucket's true region where the service tells it."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    told = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region", "")
    if failure.happened != _WRONG_REGION.happened or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", told):
        return failure
    return replace(failure, fix=f"Write region: {told} into the destination's file")


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds; a date, which S3 doesn't send, is left aside."""
    return float(text) if text and text.isdecimal() else None
