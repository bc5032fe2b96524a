"""Events like real ones: 300 names of which one has 90 % of the rows, 20 properties or 256, the same every time.

`Charged` (1 %) holds a list of Items, a few names have 256 properties, `Amount` is a number in one event and text in
the next, and one event in fifty happened on an earlier day than the one it arrived on.

python bench/synthetic_events.py --rows 5000000 --out events.ndjson.gz     writes them as a source would give them
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from isal import igzip

BATCH_ROWS = 20_000
NAME_COUNT = 300
HOT = "Product Viewed"
CHARGED = "Charged"
WIDE_NAMES = ("Form Saved", "Screen Résumé", "設定 changed")
PROPERTIES, WIDE_PROPERTIES = 20, 256
_FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_IDS = 400_000
_MAKES = ("Samsung", "Apple", "Xiaomi", "OnePlus", "Google", "Motorola")
_PAGES = ("home", "search results", "product page", "Warenkorb", "café & bar", "ホーム", 'the "big" sale', "a/b\\c")
_NETWORKS = ("4G", "5G", "WiFi", "3G", "")

TEXT_COLUMNS = ("profile", "deviceInfo", "eventProps", "sessionProps")


def event_names() -> list[str]:
    """All names: the hot one, `Charged`, the wide ones, and as many others as there need be."""
    others = (f"Event {number}" for number in range(NAME_COUNT))
    known = [HOT, CHARGED, *WIDE_NAMES]
    return [*known, *(name for name, _ in zip(others, range(NAME_COUNT - len(known)), strict=False))]


def event_frames(rows: int, *, day: int = 0, seed: int = 1, hot: str = HOT) -> Iterator[pl.DataFrame]:
    """Frames of up to 20,000 events in the order they arrived on a day (0 is 2026-11-01), 90 % of them the `hot` one.

    Columns: clevertapId, identity (String), eventName, ts (Datetime UTC), profile, deviceInfo, eventProps, sessionProps
    (JSON text or null), controlGroupName.
    """
    for first in range(0, rows, BATCH_ROWS):
        numbers = np.arange(first, min(first + BATCH_ROWS, rows), dtype=np.uint64)
        yield _frame(numbers, rows, day, seed, event_names().index(hot))


def ndjson(frame: pl.DataFrame) -> bytes:
    """The events as lines, each as the original's exports write them."""
    stamp = pl.col("ts").dt.strftime("%Y%m%d%H%M%S")
    fields = [
        pl.concat_str(pl.lit(f',"{name}":'), name).fill_null("")
        for name in ("deviceInfo", "eventProps", "sessionProps")
    ]
    group = pl.concat_str(pl.lit(',"controlGroupName":"'), "controlGroupName", pl.lit('"')).fill_null("")
    name = pl.concat_str(pl.lit(',"eventName":"'), "eventName", pl.lit('"'))
    line = pl.concat_str(pl.lit('{"profile":'), "profile", pl.lit(',"ts":'), stamp, name, *fields, group, pl.lit("}\n"))
    return frame.select(line.str.join("")).item().encode()


def write_ndjson(path: Path, rows: int, *, day: int = 0, seed: int = 1) -> None:
    """Writes the events of a day to one file; `.gz` is compressed."""
    lines = (ndjson(frame) for frame in event_frames(rows, day=day, seed=seed))
    if path.suffix == ".gz":
        with igzip.IGzipFile(path, "wb", compresslevel=1) as packed:
            packed.writelines(lines)
        return
    with path.open("wb") as file:
        file.writelines(lines)


def _frame(numbers: np.ndarray, rows: int, day: int, seed: int, hot: int) -> pl.DataFrame:
    draw = _Draws(numbers, seed + day * 1_000)
    names = np.array(event_names(), dtype=object)
    share = draw(1) % np.uint64(1_000)
    other = len(WIDE_NAMES) + 2 + (draw(2) % np.uint64(NAME_COUNT - len(WIDE_NAMES) - 2)).astype(np.int64)
    wide = 2 + (draw(2) % np.uint64(len(WIDE_NAMES))).astype(np.int64)
    chosen = np.where(share < 900, hot, np.where(share < 910, 1, np.where(share < 911, wide, other)))
    person = (draw(3) % np.uint64(_IDS)).astype(np.int64)
    frame = pl.DataFrame(
        {
            "n": numbers,
            "chosen": chosen,
            "eventName": pl.Series(names[chosen].tolist(), dtype=pl.String),
            "person": person,
            "ts": _instants(draw, numbers, rows, day),
            **{f"r{salt}": draw(salt) for salt in range(10, 20)},
        }
    )
    text = pl.col("person").cast(pl.String)
    identifier = pl.concat_str(pl.lit("__g"), text.str.zfill(12))
    identity = pl.concat_str(pl.lit("user_"), text)
    framed = frame.with_columns(
        clevertapId=identifier,
        identity=identity,
        profile=pl.concat_str(
            pl.lit('{"objectId":"'), identifier, pl.lit('","identity":"'), identity,
            pl.lit('","platform":"Android","email":"user.'), text, pl.lit('@example.com"}'),
        ),
        deviceInfo=_device(),
        sessionProps=pl.when(pl.col("r10") % 25 == 0).then(pl.lit('{"utm_source":"spring","utm_medium":"mail"}')),
        controlGroupName=pl.when(pl.col("r11") % 100 == 0).then(pl.lit("Holdout A")),
    )  # fmt: skip
    parts = [
        part.with_columns(eventProps=_properties(kind))
        for (kind,), part in framed.with_columns(kind=_kind()).partition_by("kind", as_dict=True).items()
    ]
    columns = ("clevertapId", "identity", "eventName", "ts", *TEXT_COLUMNS, "controlGroupName")
    return pl.concat(parts).sort("n").select(columns)


class _Draws:
    """Well mixed numbers, the same ones for an event whichever batch it is made in."""

    def __init__(self, numbers: np.ndarray, seed: int) -> None:
        self._numbers, self._seed = numbers, seed

    def __call__(self, salt: int) -> np.ndarray:
        z = self._numbers + np.uint64(((self._seed * 97 + salt) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _instants(draw: _Draws, numbers: np.ndarray, rows: int, day: int) -> pl.Series:
    start = int(_FIRST_DAY.timestamp()) + day * _DAY_SECONDS
    seconds = start + numbers.astype(np.int64) * _DAY_SECONDS // max(rows, 1)
    late = np.where(draw(4) % np.uint64(50) == 0, 1 + (draw(5) % np.uint64(2)).astype(np.int64), 0)
    return pl.Series((seconds - late * _DAY_SECONDS) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _kind() -> pl.Expr:
    chosen = pl.col("chosen")
    kind = pl.when(chosen == 0).then(pl.lit("hot")).when(chosen == 1).then(pl.lit("charged"))
    return kind.when(chosen < 2 + len(WIDE_NAMES)).then(pl.lit("wide")).otherwise(pl.lit("other"))


def _device() -> pl.Expr:
    return pl.concat_str(
        pl.lit('{"make":"'), _pick(_MAKES, "r12"),
        pl.lit('","model":"Model '), (pl.col("person") % 300).cast(pl.String),
        pl.lit('","osVersion":"'), (9 + pl.col("person") % 7).cast(pl.String),
        pl.lit('","appVersion":"2.'), (pl.col("person") % 40).cast(pl.String),
        pl.lit('","sdkVersion":"70'), (100 + pl.col("person") % 20).cast(pl.String),
        pl.lit('","dpi":420,"dimensions":{"width":1080,"height":2400,"unit":"px"}}'),
    )  # fmt: skip


def _properties(kind: object) -> pl.Expr:
    match kind:
        case "charged":
            return pl.concat_str(pl.lit("{"), *_common(), _items(), pl.lit("}"))
        case "wide":
            return pl.concat_str(pl.lit("{"), *_numbered("Field", WIDE_PROPERTIES), pl.lit("}"))
        case "hot":
            return pl.concat_str(pl.lit("{"), *_common(), *_numbered("Attribute", PROPERTIES - 8), pl.lit("}"))
        case _:
            own = _numbered_by_name(PROPERTIES - 8)
            return pl.concat_str(pl.lit("{"), *_common(), *own, pl.lit("}"))


def _common() -> list[pl.Expr]:
    """Eight properties, each followed by a comma or, the last one, by what comes next."""
    cents = pl.col("r13") % 1_000_000
    amount = pl.concat_str((cents // 100).cast(pl.String), pl.lit("."), (cents % 100).cast(pl.String).str.zfill(2))
    is_text = pl.col("r14") % 10 == 0
    return [
        pl.lit('"CT Source":"Mobile","CT App Version":"2.30.1","CT SDK Version":'),
        (70_000 + pl.col("r15") % 200).cast(pl.String),
        pl.lit(',"Page":'), _quoted_pick(_PAGES, "r16"),
        pl.lit(',"Network":'), _quoted_pick(_NETWORKS, "r17"),
        pl.lit(',"Amount":'), pl.when(is_text).then(pl.concat_str(pl.lit('"'), amount, pl.lit('"'))).otherwise(amount),
        pl.lit(',"Logged In":'), pl.when(pl.col("r18") % 3 == 0).then(pl.lit("true")).otherwise(pl.lit("false")),
        pl.lit(',"Product ID":"SKU-'), (pl.col("r19") % 50_000).cast(pl.String), pl.lit('"'),
    ]  # fmt: skip


def _numbered(prefix: str, count: int) -> list[pl.Expr]:
    """Properties of one name, in turn text, integer and float; behind others they begin with a comma."""
    parts: list[pl.Expr] = []
    for number in range(count):
        comma = "" if prefix == "Field" and number == 0 else ","
        value = pl.col(f"r{10 + number % 10}") // (number + 1) % (number * 37 + 11)
        quote = '"' if number % 3 == 0 else ""
        tail = ".25" if number % 3 == 1 else ""
        parts += [
            pl.lit(f'{comma}"{prefix} {number}":{quote}' + ("value " if quote else "")),
            value.cast(pl.String),
            pl.lit(f"{tail}{quote}"),
        ]
    return parts


def _numbered_by_name(count: int) -> list[pl.Expr]:
    """The same for a name whose keys are its own."""
    parts: list[pl.Expr] = []
    for number in range(count):
        key = pl.concat_str(pl.lit(',"P'), (pl.col("chosen") % 64).cast(pl.String), pl.lit(f' {number}":'))
        parts += [key, (pl.col(f"r{10 + number % 10}") // (number + 3) % 5_000).cast(pl.String)]
    return parts


def _items() -> pl.Expr:
    """A list of one to three items; each a map of text and numbers."""
    item = pl.concat_str(
        pl.lit('{"Title":"Watch '), (pl.col("r10") % 1_000).cast(pl.String),
        pl.lit('","Price":'), (pl.col("r11") % 500).cast(pl.String),
        pl.lit('.5,"Quantity":'), (1 + pl.col("r12") % 4).cast(pl.String), pl.lit("}"),
    )  # fmt: skip
    count = 1 + pl.col("r13") % 3
    more = pl.when(count > 1).then(pl.concat_str(pl.lit(","), item)).otherwise(pl.lit(""))
    most = pl.when(count > 2).then(pl.concat_str(pl.lit(","), item)).otherwise(pl.lit(""))
    return pl.concat_str(
        pl.lit(',"Charged ID":'), pl.col("n").cast(pl.String), pl.lit(',"Items":['), item, more, most, pl.lit("]")
    )


def _pick(choices: tuple[str, ...], column: str) -> pl.Expr:
    return (pl.col(column) % len(choices)).replace_strict(dict(enumerate(choices)), return_dtype=pl.String)


def _quoted_pick(choices: tuple[str, ...], column: str) -> pl.Expr:
    quoted = tuple('"' + choice.replace("\\", "\\\\").replace('"', '\\"') + '"' for choice in choices)
    return _pick(quoted, column)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--day", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_ndjson(options.out, options.rows, day=options.day)


if __name__ == "__main__":
    main()
