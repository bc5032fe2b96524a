"""The two AWS policies of which either suffices to deliver to a bucket. Source: REQUIREMENTS S4."""

import json

YOUR_PRINCIPAL = "arn:aws:iam::ACCOUNT-ID:root"
"""Stands in the bucket policy until somebody puts the account, user or role that runs ctexport there."""


def policy(bucket: str, *, principal: str = YOUR_PRINCIPAL) -> str:
    """Both policies with the bucket's name filled in, and where each belongs."""
    return "\n".join(
        [
            "One of these is enough; neither lets ctexport read or delete.",
            "",
            "1. Bucket policy: S3 console > the bucket > Permissions > Bucket policy. Principal is who runs ctexport.",
            "",
            bucket_policy(bucket, principal),
            "",
            "2. Key policy: IAM console > Policies > Create policy > JSON; attach it to the key's user or the role.",
            "",
            key_policy(bucket),
            "",
            "With encryption: sse-kms, kms:GenerateDataKey on the key as well. `ctexport verify`, which reads"
            " files back, needs s3:GetObject.",
        ]
    )


def bucket_policy(bucket: str, principal: str) -> str:
    """The bucket's own policy, as JSON."""
    return _document(
        [
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": "s3:PutObject*",
                "Resource": f"arn:aws:s3:::{bucket}{objects}",
            }
            for objects in ("/*", "")
        ]
    )


def key_policy(bucket: str) -> str:
    """The policy of the access key's user, as JSON."""
    return _document(
        [
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        ]
    )


def _document(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=4)
