"""S3: moto's server with its IAM enforcement on, so that users have just the rights that their policies give them.

moto judges the policies of users and roles, not those of buckets. The grant "bucket policy alone" therefore has a user
whose own policy holds the bucket policy's statements, to the letter but for the principal.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import boto3
from botocore.config import Config
from contract import Address, Case, Fault, Grant
from fault_proxy import Altered, Canned, LostResponse
from network_faults import network_faults
from servers import Server, free_port

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.s3.declaration import S3Destination
from ctexport_dagster.resources.s3.policy import bucket_policy, key_policy

BUCKET = "acme-exports"
REGION = "eu-west-1"
EXTERNAL_ID = "external-5bd7c1"
ROLE = "arn:aws:iam::123456789012:role/exporter"
READ_ONLY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
MAY_ASSUME = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}]}


class S3Case:
    """A bucket, and users who may do everything, write, read alone, or take on a role."""

    kind = "s3"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        python = {**environment, "MOTO_S3_CUSTOM_ENDPOINTS": "", "INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._server = Server(command, ("127.0.0.1", port), folder, python)
        self.endpoint: Address = ("127.0.0.1", port)
        self._environment: dict[str, str] = {}
        self._home = folder
        self._set_up()

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(self._home, self._environment)

    @property
    def secrets(self) -> Sequence[str]:
        return list(self._environment.values())

    def declaration(
        self,
        endpoint: Address | None = None,
        *,
        prefix: str = "",
        timeout_seconds: float = 20,
        user: str = "ADMIN",
        **options: object,
    ) -> S3Destination:
        declared = {
            "type": "s3",
            "name": "acme_s3",
            "bucket": BUCKET,
            "region": REGION,
            "prefix": prefix,
            "endpoint_url": _url(endpoint or self.endpoint),
            "sts_endpoint_url": _url(self.endpoint),
            "access_key_id": Secret(f"{user}_KEY"),
            "secret_access_key": Secret(f"{user}_SECRET"),
            "connect_timeout_seconds": timeout_seconds,
            "read_timeout_seconds": timeout_seconds,
        }
        return S3Destination.model_validate({**declared, **options})

    def read(self, key: str) -> bytes:
        return self._admin.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def head(self, key: str) -> Mapping[str, object]:
        return self._admin.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")

    def keys(self) -> set[str]:
        pages = self._admin.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def readable(self, prefix: str) -> S3Destination:
        return self.declaration(prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        self._admin.put_object(Bucket=BUCKET, Key=key, Body=content)

    def remove(self, key: str) -> None:
        self._admin.delete_object(Bucket=BUCKET, Key=key)

    def faults(self) -> Sequence[Fault]:
        return [*network_faults(lost_response=LostResponse()), *map(_canned, ANSWERS), _altered_checksum()]

    def grants(self) -> Sequence[Grant]:
        def grant(name: str, user: str, *, suffices: bool, **options: object) -> Grant:
            def declare(prefix: str) -> S3Destination:
                return self.declaration(prefix=prefix, user=user, **options)

            return Grant(name, suffices, declare, self.surroundings)

        role = {"role_arn": ROLE, "external_id": Secret("EXTERNAL_ID")}
        wrong = {"role_arn": ROLE, "external_id": Secret("READER_KEY")}
        return [
            grant("the bucket policy alone", "BUCKET_POLICY", suffices=True),
            grant("the key policy alone", "KEY_POLICY", suffices=True),
            grant("a role with an external id", "ROLE_TAKER", suffices=True, **role),
            grant("a role with a wrong external id", "ROLE_TAKER", suffices=False, **wrong),
            grant("no right to write", "READER", suffices=False),
        ]

    def ambient(self, prefix: str) -> tuple[S3Destination, Surroundings]:
        """No key declared: the environment has AWS's own variables."""
        own = {"AWS_ACCESS_KEY_ID": "KEY_POLICY_KEY", "AWS_SECRET_ACCESS_KEY": "KEY_POLICY_SECRET"}
        environment = {name: self._environment[variable] for name, variable in own.items()}
        declared = self.declaration(prefix=prefix, access_key_id=None, secret_access_key=None)
        return declared, Surroundings(self._home, environment)

    def close(self) -> None:
        self._server.stop()

    def _set_up(self) -> None:
        place = {"endpoint_url": _url(self.endpoint), "region_name": REGION}
        setting_up = {**place, "aws_access_key_id": "setting-up", "aws_secret_access_key": "setting-up"}
        iam = boto3.client("iam", **setting_up)
        policies = {
            "ADMIN": EVERYTHING,
            "READER": READ_ONLY,
            "KEY_POLICY": json.loads(key_policy(BUCKET)),
            "BUCKET_POLICY": _without_principal(json.loads(bucket_policy(BUCKET, "arn:aws:iam::123456789012:root"))),
            "ROLE_TAKER": MAY_ASSUME,
        }
        for user, policy in policies.items():
            iam.create_user(UserName=user)
            iam.put_user_policy(UserName=user, PolicyName="rights", PolicyDocument=json.dumps(policy))
            key = iam.create_access_key(UserName=user)["AccessKey"]
            self._environment[f"{user}_KEY"] = key["AccessKeyId"]
            self._environment[f"{user}_SECRET"] = key["SecretAccessKey"]
        self._environment["EXTERNAL_ID"] = EXTERNAL_ID
        iam.create_role(RoleName="exporter", AssumeRolePolicyDocument=json.dumps(_trust()))
        iam.put_role_policy(RoleName="exporter", PolicyName="rights", PolicyDocument=key_policy(BUCKET))
        s3 = boto3.client("s3", **setting_up)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._enforce()
        keys = {"aws_access_key_id": self._environment["ADMIN_KEY"]}
        secret = {"aws_secret_access_key": self._environment["ADMIN_SECRET"]}
        self._admin = boto3.client("s3", **place, **keys, **secret, config=Config(signature_version="s3v4"))

    def _enforce(self) -> None:
        """From here on every request needs rights."""
        reset = urllib.request.Request(
            f"{_url(self.endpoint)}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(reset) as reply:
            assert reply.status == 200


def make_case(folder: Path, environment: Mapping[str, str]) -> Case:
    return S3Case(folder, environment)


def _url(address: Address) -> str:
    return f"http://{address[0]}:{address[1]}"


def _without_principal(policy: dict) -> dict:
    for statement in policy["Statement"]:
        del statement["Principal"]
    return policy


def _trust() -> dict:
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    principal = {"AWS": "arn:aws:iam::123456789012:user/ROLE_TAKER"}
    allow = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [allow]}


ANSWERS = [
    ("the access key is unknown", "customer", 403, "InvalidAccessKeyId"),
    ("the token has expired", "customer", 400, "ExpiredToken"),
    ("the right to write is gone", "customer", 403, "AccessDenied"),
    ("the bucket or container is gone", "customer", 404, "NoSuchBucket"),
    ("the bucket is in another region", "customer", 301, "PermanentRedirect"),
    ("the clock is wrong", "ours", 403, "RequestTimeTooSkewed"),
    ("the service asks to slow down", "transient", 503, "SlowDown"),
    ("the service stumbles", "transient", 500, "InternalError"),
]
"""Name, class, status and code of what the service answers."""


def _canned(answer: tuple) -> Fault:
    name, whose, status, code = answer
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>made up</Message>'
        f"<Bucket>{BUCKET}</Bucket><RequestId>0</RequestId></Error>"
    ).encode()
    headers = {"Content-Type": "application/xml", "x-amz-bucket-region": "us-west-2"}
    return Fault(name, whose, lambda proxy: proxy.inflicting(Canned(status, body, headers)))


def _altered_checksum() -> Fault:
    def altered(answer: bytes) -> bytes:
        return re.sub(rb"(?i)(x-amz-checksum-sha256: )[^\r]{44}", rb"\1" + b"A" * 43 + b"=", answer)

    return Fault("the answer names another checksum", "transient", lambda proxy: proxy.inflicting(Altered(altered)))
