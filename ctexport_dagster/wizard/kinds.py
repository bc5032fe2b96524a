"""What each kind of destination has to be asked before it can be used; its other settings have defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

OWN_IDENTITY = "the machine's own identity"


@dataclass(frozen=True)
class Asked:
    """The fields of a kind that are asked, and the ways in which it can be let in.

    `fields`: field → default; "" for one that may be left out, None for one that must be said. `ways`: what a way is
    called → the secret fields that it takes.
    """

    fields: Mapping[str, str | None]
    ways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_AZURE = Asked(
    {"storage_account": None, "container": None, "prefix": ""},
    {"a SAS token": ("sas_token",), "a SAS URL": ("sas_url",), OWN_IDENTITY: ()},
)
ASKED: Mapping[str, Asked] = {
    "local": Asked({"folder": "exports"}),
    "s3": Asked(
        {"bucket": None, "region": None, "prefix": ""},
        {"an access key": ("access_key_id", "secret_access_key"), OWN_IDENTITY: ()},
    ),
    "gcs": Asked({"bucket": None, "prefix": ""}, {"a service account's key": ("key_json",), OWN_IDENTITY: ()}),
    "azure_blob": _AZURE,
    "adls": _AZURE,
    "sftp": Asked(
        {"host": None, "user": None, "known_hosts": "~/.ssh/known_hosts", "folder": ".", "prefix": ""},
        {"a private key": ("key",), "a password": ("password",)},
    ),
}

_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_AWS_KEY = re.compile("A[KS]IA[A-Z0-9]{12,}")


def is_variable_name(text: str) -> bool:
    """Whether this is how variables are called, and no secret pasted in place of one."""
    return bool(_VARIABLE.fullmatch(text)) and not _AWS_KEY.fullmatch(text)


def usual_variable(resource: str, secret: str) -> str:
    """`ACME_SAS_TOKEN` for the `sas_token` of `acme`."""
    return f"{resource}_{secret}".upper()
