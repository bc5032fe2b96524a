"""The phone check: what counts as E.164, and that it neither shows nor changes a number."""

import re
from collections.abc import Sequence

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.phones import BUDGET, PhoneCheck, PhoneReport
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType


def checked(*batches: Sequence[str | int | None], type_: ValueType = ValueType.STRING) -> PhoneReport:
    phone = Field("property", "Phone", type_)
    check = PhoneCheck()
    for batch in batches:
        check.add(pl.DataFrame({phone.column: pl.Series(batch, dtype=type_.dtype)}), SourceSchema((phone,)))
    return check.report


@pytest.mark.req("P16")
@pytest.mark.parametrize(
    "number",
    [
        "+15551234567",
        "+919876543210",
        "+447911123456",
        "+390612345678",
        "+80012345678",
        "+5491123456789",
        "+78005553535",
    ],
)
def test_a_possible_number_in_the_format_is_regular(number: str):
    assert checked([number]) == PhoneReport(phones=1)


@pytest.mark.req("P16")
@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("9876543210", "no +"),
        ("+91 98765 43210", "spaces"),
        ("+91-9876543210", "a hyphen"),
        ("+9109876543210", "the trunk prefix is left in"),
        ("+375 9", "too short and spaced"),
        ("+3750291234567", "the second trunk prefix of a country is left in"),
        ("+9991234567890", "no such calling code"),
        ("+1555123456", "a digit too few"),
        ("+155512345678", "a digit too many"),
        ("+4915112345678901", "more than fifteen digits"),
        ("+１５５５１２３４５６７", "digits of another script"),
        ("+15551234567\n", "a line break"),
        ("none", "a word"),
    ],
)
def test_every_other_number_is_irregular(number: str, why: str):
    assert (checked([number]).phones, checked([number]).irregular) == (1, 1), why


@pytest.mark.req("P16")
def test_blank_numbers_are_none():
    assert checked([None, "", "  "]) == PhoneReport()


@pytest.mark.req("P16")
def test_a_phone_that_is_a_number_has_lost_its_plus():
    assert checked([919876543210], type_=ValueType.INTEGER).irregular == 1


def test_a_source_without_phones_has_nothing_to_check():
    check = PhoneCheck()
    check.add(pl.DataFrame({"ps_x": ["1"]}), SourceSchema((Field("property", "x", ValueType.STRING),)))
    assert check.report == PhoneReport()


@pytest.mark.req("P16")
def test_batches_add_up():
    assert checked(["+15551234567", "123456789"], ["987654321", None, "+15551234567"]) == PhoneReport(
        phones=4, irregular=2, samples=("12*****89", "98*****21")
    )


@pytest.mark.req("P16")
def test_reports_of_instances_add_up_and_keep_five_samples():
    one = checked(["111111111", "222222222", "333333333"])
    other = checked(["333333333", "444444444", "555555555", "666666666"])
    assert one + other == PhoneReport(
        phones=7, irregular=7, samples=("11*****11", "22*****22", "33*****33", "44*****44", "55*****55")
    )


@pytest.mark.req("P16")
@given(st.lists(st.from_regex(r"[0-9]{7,12}", fullmatch=True), max_size=8, unique=True))
def test_no_sample_holds_a_number(numbers: list[str]):
    samples = checked(numbers).samples
    assert [number for number in numbers for sample in samples if number in sample] == []


@pytest.mark.req("P16")
def test_trunk_prefixes_past_the_budget_are_reported_as_unproven():
    numbers = [f"+910{number:010}" for number in range(BUDGET + 3)]
    report = checked(numbers)
    assert (report.phones, report.irregular, report.unproven) == (BUDGET + 3, BUDGET, 3)


def regular_by_the_library(text: str) -> bool:
    if not re.fullmatch(r"\+[0-9]{1,15}", text):
        return False
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return False
    is_possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    return is_possible and phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == text


# China's carrier selection codes (1[12]x, 179) are the one prefix that is stripped and isn't looked for.
CODES = st.sampled_from([*sorted({*phonenumbers.COUNTRY_CODE_TO_REGION_CODE} - {86}), 999, 210])
NUMBERS = st.builds(lambda code, rest: f"+{code}{rest}", CODES, st.from_regex(r"[0-9]{1,13}", fullmatch=True))


@pytest.mark.req("P16")
@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_the_check_agrees_with_the_library(numbers: list[str]):
    expected = sum(not regular_by_the_library(number) for number in numbers)
    assert checked(numbers).irregular == expected
