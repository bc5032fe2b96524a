"""Hand-written profiles that between them hold every kind of value a format must get right, and their plan."""

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, ColumnRole, OutputColumn
from ctexport_dagster.core.schema import ValueType


def _column(role: ColumnRole, name: str, type_: ValueType, header: str | None = None) -> OutputColumn:
    return OutputColumn(role, name, header or name, type_)


PLAN = ColumnPlan(
    (
        _column("identity", "identity", ValueType.STRING),
        _column("all_identities", "all_identities", ValueType.STRINGS),
        _column("clevertapId", "clevertapId", ValueType.STRING),
        _column("clevertapIds", "clevertapIds", ValueType.STRINGS),
        _column("device", "device", ValueType.STRING),
        _column("preference", "MSG-push", ValueType.BOOLEAN),
        _column("preference", "MSG-push-all", ValueType.BOOLEAN),
        _column("preference", "MSG-email", ValueType.STRING),
        _column("groups", "subscriptionGroups", ValueType.STRING),
        _column("property", "Email", ValueType.STRING),
        _column("property", "Phone", ValueType.STRING, "Phone Number"),
        _column("property", "Name", ValueType.STRING),
        _column("property", "DOB", ValueType.DATE),
        _column("property", "game", ValueType.STRING, 'Favourite, "Game" <&>'),
        _column("property", "Visits", ValueType.INTEGER),
        _column("property", "Score", ValueType.FLOAT32),
        _column("property", "Spent", ValueType.FLOAT64),
        _column("property", "Seen", ValueType.TIMESTAMP),
        _column("property", "VIP", ValueType.BOOLEAN),
        _column("property", "Tags", ValueType.STRINGS),
        _column("property", "Unused", ValueType.UNKNOWN),
        _column("property", "identity", ValueType.STRING, "identité"),
    )
)

_FULL = {
    "identity": "user_123",
    "all_identities": ["user_123", "user_456", "user@example.com"],
    "clevertapId": "__g1234567890",
    "clevertapIds": ["__g1234567890", "Ne22k5-xQ90sN1aebRkzjiV65JN6Cwdc"],
    "device": "fcm:APA91b_token-1",
    "MSG-push": True,
    "MSG-push-all": False,
    "MSG-email": "true",
    "subscriptionGroups": '{"group1":"Subscribed","group2":"Unsubscribed","group3":"Subscribed"}',
    "property:Email": "user@example.com",
    "property:Phone": "+14155550123",
    "property:Name": "Ada Lovelace",
    "property:DOB": date(1990, 12, 10),
    "property:game": "Chess",
    "property:Visits": 2147483647,
    "property:Score": 0.1,
    "property:Spent": 1234.5,
    "property:Seen": datetime(2026, 11, 18, 10, tzinfo=UTC),
    "property:VIP": True,
    "property:Tags": ["red", "blue"],
    "property:Unused": None,
    "property:identity": "a property of that name",
}

_BARE = {key: [] if key == "all_identities" else None for key in _FULL} | {"clevertapId": "__gbare"}

_SCRIPTS = _BARE | {
    "identity": "用户_7",
    "all_identities": ["用户_7"],
    "clevertapId": "__gscripts",
    "clevertapIds": ["__gscripts"],
    "subscriptionGroups": '{"समाचार":"Subscribed","📰 news":"Unsubscribed"}',
    "property:Name": "José Müller · Анна · محمد · अनिता · 李伟 · ไทย · 👩🏽‍🚀🇮🇳 e\u0301",
    "property:game": "囲碁\u00a0と\u3000将棋",
    "property:Tags": ["κόσμε", "🎲", "  two spaces  "],
}

_AWKWARD = _BARE | {
    "identity": 'quote " comma , semicolon ;',
    "all_identities": ['quote " comma , semicolon ;', "back\\slash", ""],
    "clevertapId": "__gawkward",
    "clevertapIds": ["with,comma", "]", ""],
    "device": 'token "quoted" \\ <tag> & more',
    "MSG-email": "",
    "subscriptionGroups": r'{"a \"b\" <c> & \\d":"Subscribed","line\nbreak":"Unsubscribed"}',
    "property:Email": "",
    "property:Phone": " +1 leading and trailing space ",
    "property:Name": "line\nfeed, carriage\rreturn, both\r\n, tab\t, back\\slash, ]]> &amp; <b>bold</b> 'single'",
    "property:game": "controls \x00\x01\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f non-characters \ufffe\uffff\ufdd0"
    " separators \u2028\u2029 mark \ufeff",
    "property:Tags": [],
}

_NUMBERS = _BARE | {
    "identity": "null",
    "all_identities": ["null"],
    "clevertapId": "__gnumbers",
    "clevertapIds": [],
    "MSG-push": False,
    "MSG-push-all": True,
    "subscriptionGroups": "{}",
    "property:Name": "NULL",
    "property:DOB": date(2000, 2, 29),
    "property:Visits": 2147483648,
    "property:Score": 16777216.0,
    "property:Spent": 1e-7,
    "property:Seen": datetime(1969, 12, 31, 23, 59, 59, 250000, tzinfo=UTC),
    "property:VIP": False,
    "property:Tags": ["null", ""],
}

_EXTREMES = _BARE | {
    "identity": "123",
    "all_identities": ["123"],
    "clevertapId": "__gextremes",
    "property:DOB": date(1, 1, 1),
    "property:Visits": -9223372036854775808,
    "property:Score": 3.4e38,
    "property:Spent": 1.7976931348623157e308,
    "property:Seen": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
}

_SMALLEST = _BARE | {
    "identity": "true",
    "all_identities": ["true"],
    "clevertapId": "__gsmallest",
    "property:Visits": -2147483648,
    "property:Score": -0.0,
    "property:Spent": 0.30000000000000004,
    "property:Seen": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
}

PROFILES = pl.DataFrame(
    [_FULL, _BARE, _SCRIPTS, _AWKWARD, _NUMBERS, _EXTREMES, _SMALLEST], schema=PLAN.frame_schema, orient="row"
)

ALL_VALUES_PLAN = ColumnPlan(
    (
        _column("identity", "identity", ValueType.STRINGS),
        _column("clevertapId", "clevertapId", ValueType.STRING),
        _column("property", "Name", ValueType.STRING),
    )
)
ALL_VALUES_PROFILES = pl.DataFrame(
    {
        "identity": [["user_123", "user@example.com"], [], ['a "b", <c>']],
        "clevertapId": ["__g1", "__g2", "__g3"],
        "property:Name": ["Ada", None, "Bob"],
    }
)
"""`values: all`: every identifier of a profile stands in the identity column."""


def without(plan: ColumnPlan, *roles: ColumnRole) -> ColumnPlan:
    """The plan without the columns of some roles."""
    return replace(plan, columns=tuple(column for column in plan.columns if column.role not in roles))
