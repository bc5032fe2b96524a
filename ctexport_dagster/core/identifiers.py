"""Identifiers: what the names in `identity.order` stand for. Source: REQUIREMENTS P12."""

from difflib import get_close_matches

from ctexport_dagster.core.schema import SourceSchema

IDENTITY = "Identity"
ACCOUNT_DEFINED = (IDENTITY, "Email", "Phone")
"""The identifiers that every account has; any property may serve as a further one."""

NOT_PROPERTIES = frozenset({"identity", "clevertapid", "clevertap id"})
"""Names, in small letters, that mean an identifier and never a property. Source: REQUIREMENTS P19."""

_BY_SMALL_NAME = {name.lower(): name for name in ACCOUNT_DEFINED}


def meant_identifier(name: str, schema: SourceSchema) -> str:
    """`Identity`, or the name of the property that an identifier means.

    Identity, Email and Phone may be written in any case, unless a property has exactly the name as written; every
    other identifier means the property of exactly this name.
    """
    if name.lower() != IDENTITY.lower() and ("property", name) in schema.by_name:
        return name
    return _BY_SMALL_NAME.get(name.lower(), name)


def unknown_identifiers(order: tuple[str, ...], schema: SourceSchema) -> tuple[str, ...]:
    """The identifiers that mean a property which the source has not had so far, Email and Phone apart."""
    meant = [(name, meant_identifier(name, schema)) for name in order]
    return tuple(n for n, m in meant if m not in ACCOUNT_DEFINED and ("property", m) not in schema.by_name)


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """`; did you mean crm_id?`, or nothing where no known name is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
