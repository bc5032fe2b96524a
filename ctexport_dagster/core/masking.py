"""Masks: what a value looks like without saying what it is, for previews and samples.

    u***@e***.com     an e-mail address: the first letters and the top-level domain
    +91*******10      a phone number of nine digits or more: the first and the last two
    A*** K***         any other text: the first letters of up to three words of three letters or more
    4*****            a number of five digits or more: the first digit and the length
    2026-11-**        a date, or the date of a timestamp
    ***               a date of birth, a place, a short word, a short number that identifies
    [u***, u***]      a list: up to three of its values
    2 groups          subscription groups: how many

Booleans, other short numbers and nulls are shown. Every text is masked, since no property's name tells whether its
values identify somebody. Source: REQUIREMENTS P16, B8.
"""

import json
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from ctexport_dagster.core.columns import OutputColumn

Value: TypeAlias = str | bool | int | float | date | Sequence[str] | None

MASK = "***"
SHOWN_DIGITS = 4
PHONE_DIGITS = 9
SHOWN_PARTS = 3
ALWAYS_MASKED = frozenset({"DOB", "Lat", "Long"})
"""Properties that say who or where somebody is without being text."""

_EMAIL = re.compile(r"([^@\s])[^@\s]*@([^@\s])[^@\s]*\.([A-Za-z]{2,6})")
_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_DIGIT = re.compile(r"[0-9]")


def mask_text(text: str) -> str:
    """A text's shape: an e-mail address, a phone number, or words."""
    if email := _EMAIL.fullmatch(text):
        return f"{email[1]}{MASK}@{email[2]}{MASK}.{email[3]}"
    if _PHONE.fullmatch(text):
        return _mask_phone(text)
    return " ".join(_mask_word(word) for word in text.split()[:SHOWN_PARTS]) or MASK


def mask_number(number: float | Decimal, *, identifies: bool = False) -> str:
    """A number of up to four digits as it is, unless it identifies somebody; else its first digit and its length."""
    text = f"{number:f}" if isinstance(number, Decimal) else str(number)
    if len(_DIGIT.findall(text)) <= SHOWN_DIGITS:
        return MASK if identifies else text
    first = _DIGIT.search(text)
    cut = first.end() if first else 0
    return text[:cut] + _DIGIT.sub("*", text[cut:])


def mask_value(column: OutputColumn, value: Value, identifiers: Sequence[str]) -> str:
    """What a preview shows in a cell; empty for null. `identifiers` names the properties used as identifiers."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str() if column.role == "groups":
            count = len(json.loads(value))
            return f"{count} group{'' if count == 1 else 's'}"
        case _ if column.name in ALWAYS_MASKED and column.role == "property":
            return MASK
        case str():
            return mask_text(value) if value else ""
        case int() | float():
            return mask_number(value, identifies=column.name in identifiers)
        case date():
            return f"{value:%Y-%m}-**"
        case _:
            items = [mask_text(item) for item in value[:SHOWN_PARTS]]
            return f"[{', '.join([*items, '…'] if len(value) > SHOWN_PARTS else items)}]"


def _mask_phone(text: str) -> str:
    digits = "".join(_DIGIT.findall(text))
    if len(digits) < PHONE_DIGITS:
        return MASK
    plus = "+" if text.startswith("+") else ""
    return f"{plus}{digits[:2]}{'*' * (len(digits) - 4)}{digits[-2:]}"


def _mask_word(word: str) -> str:
    return word[0] + MASK if len(word) > len(MASK) - 1 else MASK
