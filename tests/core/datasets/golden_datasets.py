"""Hand-written rows that between them hold every kind of value of every type that a table may have."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from ctexport_dagster.core.datasets.chunking import write_dataset_chunks
from ctexport_dagster.core.datasets.format import DatasetFormat

GOLDENS = Path(__file__).parents[2] / "goldens" / "datasets"

SCHEMA = pl.Schema(
    {
        "order_id": pl.Int64(),
        "tiny": pl.Int8(),
        "huge": pl.UInt64(),
        "giant": pl.Int128(),
        "price": pl.Decimal(12, 2),
        "exact": pl.Decimal(38, 18),
        "score": pl.Float64(),
        "ratio": pl.Float32(),
        "half": pl.Float16(),
        "paid": pl.Boolean(),
        'note, "quoted" <&> .dot': pl.String(),
        "photo": pl.Binary(),
        "day": pl.Date(),
        "at": pl.Time(),
        "took": pl.Duration("us"),
        "local": pl.Datetime("ms"),
        "seen": pl.Datetime("us", "UTC"),
        "zoned": pl.Datetime("ns", "Asia/Kolkata"),
        "unused": pl.Null(),
        "customer": pl.Struct(
            {"id": pl.Int64(), "full name": pl.String(), "credit": pl.Decimal(9, 2), "since": pl.Date()}
        ),
        "marker": pl.Struct([]),
        "lines": pl.List(pl.Struct({"sku": pl.String(), "price": pl.Decimal(9, 2), "tags": pl.List(pl.String())})),
        "pair": pl.Array(pl.Float64(), 2),
        "extras": pl.Map(pl.String(), pl.Int64()),
        "by_day": pl.Map(pl.Date(), pl.Decimal(9, 2)),
        "1st 📦": pl.List(pl.Datetime("us", "UTC")),
    }
)
QUOTED = 'note, "quoted" <&> .dot'
"""A column whose name needs an escape in every format."""

_FULL = {
    "order_id": 1,
    "tiny": -128,
    "huge": 18446744073709551615,
    "giant": 170141183460469231731687303715884105727,
    "price": Decimal("19.90"),
    "exact": Decimal("12345678901234567890.123456789012345678"),
    "score": 1234.5,
    "ratio": 0.1,
    "half": 0.5,
    "paid": True,
    QUOTED: "paid by card",
    "photo": b"\x00\xff\xfe",
    "day": date(2026, 11, 18),
    "at": time(9, 30),
    "took": timedelta(days=1, hours=2, milliseconds=500),
    "local": datetime.fromisoformat("2026-11-18T10:00:00.250"),
    "seen": datetime(2026, 11, 18, 10, tzinfo=UTC),
    "zoned": datetime(2026, 11, 18, 10, tzinfo=UTC),
    "customer": {"id": 7, "full name": "Ada Lovelace", "credit": Decimal("100.00"), "since": date(1990, 12, 10)},
    "marker": {},
    "lines": [
        {"sku": "A-1", "price": Decimal("9.95"), "tags": ["red", "blue"]},
        {"sku": "B-2", "price": Decimal("0.05"), "tags": []},
    ],
    "pair": [1.0, 2.5],
    "extras": {"gift": 1, "wrapped": 0},
    "by_day": {date(2026, 11, 18): Decimal("1.50"), date(2026, 11, 19): None},
    "1st 📦": [datetime(2026, 11, 18, 10, 0, 0, 1, tzinfo=UTC)],
}

_MISSING = {"order_id": None}

_EMPTY = {
    "order_id": 3,
    QUOTED: "",
    "photo": b"",
    "took": timedelta(0),
    "customer": {"id": None, "full name": None, "credit": None, "since": None},
    "lines": [],
    "pair": [None, None],
    "extras": {},
    "by_day": {},
    "1st 📦": [],
}

_EXTREMES = {
    "order_id": -9223372036854775808,
    "tiny": 127,
    "huge": 0,
    "giant": -170141183460469231731687303715884105728,
    "price": Decimal("-0.01"),
    "exact": Decimal("-99999999999999999999.999999999999999999"),
    "score": float("nan"),
    "ratio": float("inf"),
    "half": float("-inf"),
    "paid": False,
    QUOTED: "line\nfeed, carriage\rreturn, tab\t, back\\slash, ]]> &amp; <b>bold</b> 'single'"
    " \x00\x01\x1f \ufffe\uffff",
    "photo": bytes(range(16)),
    "day": date(1, 1, 1),
    "at": time(23, 59, 59, 999999),
    "took": timedelta(microseconds=-1),
    "local": datetime.fromisoformat("9999-12-31T23:59:59.999"),
    "seen": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "zoned": datetime(1700, 1, 1, tzinfo=UTC),
    "customer": {"id": 9007199254740993, "full name": 'a "b" <c>', "credit": Decimal("-0.10"), "since": None},
    "lines": [None, {"sku": None, "price": None, "tags": None}, {"sku": "", "price": None, "tags": [None, "", "null"]}],
    "pair": [float("nan"), float("inf")],
    "extras": {"": 9223372036854775807, 'k "e" \\ y\n': None},
    "1st 📦": [None, datetime(2026, 1, 1, tzinfo=UTC)],
}

_SCRIPTS = {
    "order_id": 9007199254740993,
    "score": 1e-7,
    "ratio": 3.4e38,
    QUOTED: "José Müller · Анна · محمد · अनिता · 李伟 · ไทย · 👩🏽‍🚀🇮🇳 \u2028 \ufeff  two spaces  ",
    "day": date(9999, 12, 31),
    "customer": {"id": 1, "full name": "用户_7", "credit": Decimal("0.00"), "since": date(2000, 2, 29)},
    "lines": [{"sku": "🎲", "price": Decimal("1.00"), "tags": ["κόσμε"]}],
    "extras": {"समाचार": 1, "📰 news": 2},
}

ROWS: Sequence[dict[str, object]] = (_FULL, _MISSING, _EMPTY, _EXTREMES, _SCRIPTS)


def frame_of(rows: Sequence[dict[str, object]], schema: pl.Schema = SCHEMA) -> pl.DataFrame:
    """Rows as a frame; a column that a row doesn't name is null."""
    columns = {name: pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()}
    return pl.DataFrame(columns)


def dataset_format(type_: str, **options: object) -> DatasetFormat:
    return DatasetFormat.model_validate({"type": type_, **options})


def written(declared: DatasetFormat, frame: pl.DataFrame, folder: Path) -> Path:
    """The one file that the rows come to."""
    (chunk,) = write_dataset_chunks([frame], declared, frame.schema, folder, 10**8, 1)
    return folder / chunk.file
