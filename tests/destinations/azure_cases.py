"""What the cases of Azure's two kinds share: how one is declared, and which secrets it has."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qs, quote

from contract import Address

from ctexport_dagster.resources.azure.declared import AzureDeclared

Kind = TypeVar("Kind", bound=AzureDeclared)


def url_of(address: Address, account: str) -> str:
    """An emulator's URL, which has the account in its path."""
    return f"http://{address[0]}:{address[1]}/{account}"


def declared_as(kind: type[Kind], secret: Mapping[str, str], *, timeout_seconds: float, **fields: str) -> Kind:
    """A declaration with one secret: its field, and the variable that holds it."""
    return kind.model_validate(
        {
            **fields,
            "connect_timeout_seconds": timeout_seconds,
            "read_timeout_seconds": timeout_seconds,
            **{field: {"env": variable} for field, variable in secret.items()},
        }
    )


def secrets_of(key: str, tokens: Mapping[str, str]) -> Sequence[str]:
    """The account's key, and each signature as it is written in a URL and as it is decoded."""
    signatures = [parse_qs(token)["sig"][0] for token in tokens.values()]
    return [key, *signatures, *(quote(signature, safe="") for signature in signatures)]
