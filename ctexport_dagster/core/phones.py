"""The phone check: counts phone numbers that aren't E.164, and never changes one. Source: REQUIREMENTS P16.

A number is E.164 when it is `+` and at most fifteen digits, begins with a known country calling code, has a length
that is possible there, and holds no trunk prefix (as the 0 in +91 0…), all by the `phonenumbers` library. Whether
its range is given out doesn't count: ranges change weekly, and +15551234567 is a fine example of the format.

Asking the library about every number would take some 20 s a million. So one pattern, made of its metadata, judges
code and length, exactly; only numbers that then begin with their country's trunk prefix are put to the library, up
to `BUDGET` distinct ones a check. Numbers past that are `unproven`: they count as regular, and the report says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import phonenumbers
import polars as pl
from phonenumbers import PhoneMetadata

from ctexport_dagster.core.masking import mask_text
from ctexport_dagster.core.schema import SourceSchema, ValueType

BUDGET = 20_000
SAMPLES = 5
MOST_DIGITS = 15
NON_GEOGRAPHIC = "001"


@dataclass(frozen=True)
class PhoneReport:
    """`phones`: rows with a number; `irregular`: those whose number isn't E.164; `samples`: up to five, masked."""

    phones: int = 0
    irregular: int = 0
    unproven: int = 0
    samples: tuple[str, ...] = ()

    def __add__(self, other: "PhoneReport") -> "PhoneReport":
        """The report over both, as of two instances."""
        samples = tuple(dict.fromkeys((*self.samples, *other.samples)))[:SAMPLES]
        return PhoneReport(
            self.phones + other.phones, self.irregular + other.irregular, self.unproven + other.unproven, samples
        )


@dataclass
class PhoneCheck:
    """Takes the phone numbers of an export, a batch at a time."""

    report: PhoneReport = PhoneReport()
    """What was found so far."""
    _budget: int = BUDGET

    def add(self, frame: pl.DataFrame, schema: SourceSchema) -> None:
        """Counts the phone numbers of a profile frame (core/profile.py); blank ones are none."""
        phone = schema.by_name.get(("property", "Phone"))
        if phone is None or phone.type in (ValueType.UNKNOWN, ValueType.STRINGS):
            return
        texts = frame[phone.column].cast(pl.String()).alias("phone").drop_nulls()
        phones = texts.filter(texts.str.strip_chars() != "")
        is_possible = phones.str.contains(_possible()) & (phones.str.len_bytes() <= MOST_DIGITS + 1)
        possible = phones.filter(is_possible)
        wrong, unproven = self._with_trunk_prefix(possible.filter(possible.str.contains(_trunk_prefixed())))
        irregular = pl.concat([phones.filter(~is_possible), wrong])
        self.report += PhoneReport(phones.len(), irregular.len(), unproven, _samples(irregular))

    def _with_trunk_prefix(self, suspicious: pl.Series) -> tuple[pl.Series, int]:
        """Those that the library reads as another number, its trunk prefix taken off, and how many it wasn't asked."""
        distinct = suspicious.unique(maintain_order=True)
        asked = distinct.head(self._budget)
        self._budget -= asked.len()
        wrong = pl.Series(asked.name, [text for text in asked if not _reads_as_itself(text)], dtype=pl.String())
        unproven = suspicious.filter(suspicious.is_in(distinct.slice(asked.len()).implode())).len()
        return suspicious.filter(suspicious.is_in(wrong.implode())), unproven


def _samples(irregular: pl.Series) -> tuple[str, ...]:
    """Up to five masks; numbers whose masks look alike are shown once."""
    return tuple(dict.fromkeys(mask_text(text) for text in irregular.head(SAMPLES * SAMPLES)))[:SAMPLES]


def _reads_as_itself(text: str) -> bool:
    number = phonenumbers.parse(text)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == text


def _calling_codes() -> Iterator[tuple[int, PhoneMetadata]]:
    """Each country calling code with the metadata of its main region."""
    for code, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()):
        is_place = regions[0] != NON_GEOGRAPHIC
        found = (
            PhoneMetadata.metadata_for_region(regions[0])
            if is_place
            else PhoneMetadata.metadata_for_nongeo_region(code)
        )
        if found is not None:
            yield code, found


@cache
def _possible() -> str:
    """A pattern of every `+`, calling code and number of a length that is possible there."""
    codes_by_lengths: dict[tuple[int, ...], list[str]] = {}
    for code, metadata in _calling_codes():
        lengths = metadata.general_desc.possible_length if metadata.general_desc else ()
        codes_by_lengths.setdefault(tuple(lengths), []).append(str(code))
    branches = [
        f"(?:{'|'.join(codes)})(?:{'|'.join(f'[0-9]{{{length}}}' for length in lengths)})"
        for lengths, codes in codes_by_lengths.items()
    ]
    return rf"^\+(?:{'|'.join(branches)})$"


@cache
def _trunk_prefixed() -> str:
    """A pattern of every `+`, calling code and trunk prefix in use there; some countries have two (8 and 0)."""
    branches = [
        f"{code}(?:{'|'.join(prefixes)})"
        for code, metadata in _calling_codes()
        if (prefixes := _trunk_prefixes(metadata))
    ]
    return rf"^\+(?:{'|'.join(branches)})"


def _trunk_prefixes(metadata: PhoneMetadata) -> list[str]:
    """The trunk prefix, and every single digit that the country's parsing rule takes for one."""
    rule = metadata.national_prefix_for_parsing
    digits = [digit for digit in "0123456789" if rule and (found := re.match(rule, digit)) and found[0]]
    return sorted({*digits, *([metadata.national_prefix] if metadata.national_prefix else [])})
