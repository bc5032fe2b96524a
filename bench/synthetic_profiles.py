"""Resolved frames like real exports': 25 columns, about a tenth to a half of the values missing, the same every time.

What compression sees matters, so identifiers look like the real ones: push tokens of 163 characters base64, hexadecimal
CleverTap ids, e-mail addresses made of names, E.164 numbers, cities and sentences from short lists.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from ctexport_dagster.core.columns import ColumnPlan, ColumnRole, OutputColumn
from ctexport_dagster.core.schema import STRINGS, TIMESTAMP, ValueType

BATCH_ROWS = 20_000
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_FIRST = [
    "Olivia",
    "Noah",
    "Mia",
    "Arjun",
    "Zoë",
    "José",
    "李伟",
    "Анна",
    "محمد",
    "Søren",
    "Fatima",
    "Liam",
    "Emma",
    "Yuki",
    "Chloé",
    "Ivan",
    "Priya",
    "Lucas",
    "Hannah",
    "Omar",
]
_LAST = [
    "Smith",
    "O'Brien",
    "García",
    "Müller",
    "Kowalski",
    "Nguyen",
    "Sharma",
    "Иванова",
    "王",
    "Silva",
    "Dubois",
    "Rossi",
    "Haddad",
    "Tanaka",
    "Jensen",
]
_MAIL = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "example.org", "web.de", "mail.ru", "qq.com"]
_CITY = ["Mumbai", "Berlin", "São Paulo", "New York", "London", "Paris", "Tokyo", "Köln", "Delhi", "Lagos", "Cairo"]
_PLAN = ["free", "basic", "premium", "family", "enterprise"]
_WORDS = [
    "clicked",
    "the",
    "spring",
    "campaign",
    "banner",
    "and",
    "returned",
    "later",
    "to",
    "finish",
    "checkout",
    "after",
    "two",
    "reminders",
]
_INTERESTS = ["sport", "music", "travel", "food", "games", "books"]

_PROPERTIES: tuple[tuple[str, ValueType], ...] = (
    ("Email", ValueType.STRING),
    ("Phone", ValueType.STRING),
    ("Name", ValueType.STRING),
    ("Gender", ValueType.STRING),
    ("DOB", ValueType.DATE),
    ("Photo", ValueType.STRING),
    ("City", ValueType.STRING),
    ("Plan", ValueType.STRING),
    ("Visits", ValueType.INTEGER),
    ("Lifetime Value", ValueType.FLOAT64),
    ("Last Purchase", ValueType.TIMESTAMP),
    ("Interests", ValueType.STRINGS),
    ("Last Note", ValueType.STRING),
)
_PREFERENCES = ("MSG-push", "MSG-push-all", "MSG-webpush", "MSG-email", "MSG-sms", "MSG-whatsapp")


def profile_plan(extra_properties: int = 0) -> ColumnPlan:
    """25 columns, and any number of further text properties."""
    identifiers: tuple[tuple[ColumnRole, ValueType], ...] = (
        ("identity", ValueType.STRING),
        ("all_identities", ValueType.STRINGS),
        ("clevertapId", ValueType.STRING),
        ("clevertapIds", ValueType.STRINGS),
        ("device", ValueType.STRING),
    )
    return ColumnPlan(
        (
            *(OutputColumn(role, role, role, type_) for role, type_ in identifiers),
            *(OutputColumn("preference", name, name, ValueType.BOOLEAN) for name in _PREFERENCES),
            OutputColumn("groups", "subscriptionGroups", "subscriptionGroups", ValueType.STRING),
            *(OutputColumn("property", name, name, type_) for name, type_ in _PROPERTIES),
            *(
                OutputColumn("property", f"custom {i}", f"custom {i}", ValueType.STRING)
                for i in range(extra_properties)
            ),
        )
    )


def resolved_frames(rows: int, extra_properties: int = 0) -> Iterator[pl.DataFrame]:
    """The first `rows` profiles."""
    plan = profile_plan(extra_properties)
    for first in range(0, rows, BATCH_ROWS):
        columns = _columns(first, min(BATCH_ROWS, rows - first), extra_properties)
        yield pl.DataFrame(columns).select(
            pl.col(name).cast(dtype).alias(name) for name, dtype in plan.frame_schema.items()
        )


def _columns(first: int, rows: int, extra_properties: int) -> dict[str, pl.Series]:
    random = np.random.default_rng(first + 1)
    ids = np.arange(first, first + rows)

    def missing(values: pl.Series, share: float) -> pl.Series:
        return pl.select(pl.when(pl.Series(random.random(rows) >= share)).then(values)).to_series()

    def chosen(words: list[str]) -> pl.Series:
        return pl.Series(words).gather(pl.Series(random.integers(0, len(words), rows)))

    name = chosen(_FIRST) + " " + chosen(_LAST)
    local = name.str.to_lowercase().str.replace(" ", ".", literal=True)
    email = missing(local + pl.Series(random.integers(1, 9999, rows)).cast(pl.String) + "@" + chosen(_MAIL), 0.2)
    phone = missing("+49" + pl.Series(random.integers(15_000_000_000, 17_999_999_999, rows)).cast(pl.String), 0.4)
    known = missing("user_" + pl.Series(ids).cast(pl.String), 0.3)
    current = "__g" + _texts(random, _HEX, rows, 32)
    older = "__g" + _texts(random, _HEX, rows, 32)
    identifiers = pl.DataFrame({"known": known, "email": email, "phone": phone})
    identities = identifiers.select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()
    devices = pl.DataFrame({"current": current, "older": missing(older, 0.8)})
    note = chosen(_WORDS)
    for _ in range(7):
        note = note + " " + chosen(_WORDS)
    states = [f'{{"news":"{a}","offers":"{b}"}}' for a in _STATES for b in _STATES]
    return {
        "identity": identifiers.select(pl.coalesce(pl.all())).to_series(),
        "all_identities": identities,
        "clevertapId": current,
        "clevertapIds": devices.select(pl.concat_list(pl.all()).list.drop_nulls()).to_series(),
        "device": missing(_texts(random, _BASE64, rows, 22) + ":APA91b" + _texts(random, _BASE64, rows, 134), 0.4),
        **{name: missing(pl.Series(random.random(rows) < 0.8), 0.1) for name in _PREFERENCES},
        "subscriptionGroups": missing(chosen(states), 0.5),
        "property:Email": email,
        "property:Phone": phone,
        "property:Name": missing(name, 0.05),
        "property:Gender": missing(chosen(["M", "F"]), 0.3),
        "property:DOB": missing(pl.Series(random.integers(0, 14_000, rows)).cast(pl.Int32).cast(pl.Date), 0.5),
        "property:Photo": missing("https://images.example.com/profiles/" + older.str.slice(3) + ".jpg", 0.7),
        "property:City": missing(chosen(_CITY), 0.1),
        "property:Plan": missing(chosen(_PLAN), 0.05),
        "property:Visits": missing(pl.Series(random.geometric(0.02, rows)), 0.1),
        "property:Lifetime Value": missing(pl.Series(np.round(random.gamma(1.2, 180, rows), 2)), 0.2),
        "property:Last Purchase": missing(
            pl.Series(1_700_000_000_000_000 + random.integers(0, 60_000_000, rows) * 1_000_000).cast(TIMESTAMP), 0.3
        ),
        "property:Interests": missing(
            pl.DataFrame({"a": chosen(_INTERESTS), "b": missing(chosen(_INTERESTS), 0.5)})
            .select(pl.concat_list(pl.all()).list.drop_nulls().cast(STRINGS))
            .to_series(),
            0.6,
        ),
        "property:Last Note": missing(note, 0.4),
        **{f"property:custom {i}": missing(chosen(_WORDS), 0.3) for i in range(extra_properties)},
    }


_STATES = ("Subscribed", "Unsubscribed")


def _texts(random: np.random.Generator, alphabet: np.ndarray, rows: int, length: int) -> pl.Series:
    content = alphabet[random.integers(0, len(alphabet), rows * length, np.uint8)]
    offsets = np.arange(0, rows * length + 1, length, dtype=np.int32)
    return pl.Series(pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(content)))
