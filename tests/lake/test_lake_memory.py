"""What an ingest remembers of its input makes the next one faster, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_days import TINY, Days, Row, key

from ctexport_dagster.core.normalise.normaliser import Normalised, Normaliser
from ctexport_dagster.core.schema import FieldKey, SourceSchema
from ctexport_dagster.core.source import RawBatch, SourceDeclaration
from ctexport_dagster.lake import PartitionRecord, Tally
from ctexport_dagster.lake.living_ids import LivingIds
from ctexport_dagster.lake.raw_rows import raw_hashes

IDS = ("a", "b", "c", "d", "e", "f")
WIDE = 2**53 + 1


class Counting(Normaliser):
    """A normaliser that counts the rows it is given."""

    rows = 0

    def normalise(self, raw: RawBatch) -> Normalised:
        Counting.rows += raw.frame.height
        return super().normalise(raw)


def normalised_rows(days: Days, act: Callable[[], PartitionRecord]) -> tuple[int, Tally]:
    """How many rows an ingest had to normalise, and what it counted."""
    Counting.rows = 0
    days.normaliser_of = counting
    tally = act().rows
    return Counting.rows, tally


def counting(declaration: SourceDeclaration, known: SourceSchema, wide: frozenset[FieldKey]) -> Counting:
    return Counting(declaration, known, wide)


def people(names: str, **values: object) -> list[Row]:
    return [{"clevertapId": name, **values} for name in names]


def damage_nothing(cache: Path) -> None:
    pass


def damage_a_byte(cache: Path) -> None:
    for path in cache.glob("*/0"):
        content = bytearray(path.read_bytes())
        content[5] ^= 1
        path.write_bytes(content)


def cut_off(cache: Path) -> None:
    for path in cache.glob("*/0"):
        path.write_bytes(path.read_bytes()[:-1])


def lose_the_ids(cache: Path) -> None:
    for path in cache.glob("*/ids"):
        path.unlink()


def break_the_key(cache: Path) -> None:
    for path in cache.glob("*/key.json"):
        path.write_text("{")


def of_another_version(cache: Path) -> None:
    for path in cache.glob("*/key.json"):
        path.write_text(path.read_text().replace('"key": "', '"key": "0'))


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        (damage_nothing, 1),
        (damage_a_byte, 6),
        (cut_off, 6),
        (lose_the_ids, 6),
        (break_the_key, 6),
        (of_another_version, 6),
        (rmtree, 6),
    ],
)
def test_rows_that_stood_the_day_before_are_not_normalised_again_unless_the_memory_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None], rows: int
) -> None:
    days = Days(tmp_path)
    days.put(1, people("abcdef", Plan="x"))
    damage(days.lake.caches)
    told = normalised_rows(days, lambda: days.put(2, [*people("abcde", Plan="x"), *people("f", Plan="y")]))
    assert told == (rows, Tally(source=6, unchanged=5, logged=1))


def test_what_the_day_before_passed_over_is_remembered_on(tmp_path: Path) -> None:
    days = Days(tmp_path)
    for day in (1, 2):
        days.put(day, people("abcdef", Plan="x"))
    assert normalised_rows(days, lambda: days.put(3, people("fedcba", Plan="x"))) == (0, Tally(source=6, unchanged=6))


def test_what_was_read_from_the_state_is_remembered_on(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("abcdef", Plan="x"))
    rmtree(days.lake.caches)
    days.put(2, people("abcdef", Plan="x"))
    assert normalised_rows(days, lambda: days.put(3, people("abcdef", Plan="x")))[0] == 0


def test_two_memories_are_kept(tmp_path: Path) -> None:
    days = Days(tmp_path)
    records = [days.put(day, people("ab", Plan=str(day))) for day in (1, 2, 3)]
    assert {path.name for path in days.lake.caches.iterdir()} == {record.attempt for record in records[1:]}


def test_a_day_that_is_run_anew_forgets_what_its_first_run_remembered(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("abc", Plan="x"))
    days.put(1, people("abc", Plan="y"))
    assert normalised_rows(days, lambda: days.put(2, people("abc", Plan="y")))[1] == Tally(source=3, unchanged=3)
    days.put(3, people("abc", Plan="x"))
    assert {row["Plan"] for row in days.state(3).values()} == {"x"}


@pytest.mark.req("P22")
def test_a_float_is_refused_where_integers_stood_the_day_before_that_no_float_can_hold(tmp_path: Path) -> None:
    days = Days(tmp_path)
    wide = days.frame([{"clevertapId": "a", "n": 1}, {"clevertapId": "b", "n": WIDE}])
    days.take(1, wide)
    floats = days.frame([{"clevertapId": "c", "n": 0.5}])
    assert days.take(2, floats, wide).rows == Tally(source=3, unchanged=2, quarantined=1)
    assert {name: row["n"] for name, row in days.state(2).items()} == {"a": 1, "b": WIDE}
    assert days.take(3, floats, wide[:1]).rows.quarantined == 1


@pytest.mark.req("P22")
def test_a_day_that_widens_a_type_reads_every_row_anew(tmp_path: Path) -> None:
    days = Days(tmp_path)
    ints = days.frame([{"clevertapId": "a", "n": 1}, {"clevertapId": "b", "n": 2}])
    days.take(1, ints)
    floats = days.frame([{"clevertapId": "c", "n": 0.5}])
    assert days.take(2, floats, ints).rows == Tally(source=3, unchanged=2, logged=1)
    assert {name: row["n"] for name, row in days.state(2).items()} == {"a": 1.0, "b": 2.0, "c": 0.5}


def test_a_merge_is_told_though_the_row_that_tells_it_stood_the_day_before(tmp_path: Path) -> None:
    for tuning in (TINY, replace(TINY, most_known_rows=0)):
        days = Days(tmp_path / str(tuning.most_known_rows), tuning=tuning)
        lister = {"clevertapId": "a", "clevertapIds": ["a", "b"]}
        days.put(1, [lister, *people("b", clevertapIds=None)])
        assert days.put(2, [lister]).rows == Tally(source=1, unchanged=1, merged=1)


def test_categories_have_no_hash_for_their_numbers_mean_other_texts_elsewhere() -> None:
    frame = pl.DataFrame({"clevertapId": ["a"], "Plan": pl.Series(["x"], dtype=pl.Categorical)})
    assert raw_hashes(RawBatch(frame)).tolist() == [0]


@given(st.lists(st.binary(max_size=3)), st.lists(st.binary(max_size=3)))
def test_living_ids_forget_nobody(living: list[bytes], others: list[bytes]) -> None:
    ids = LivingIds.of_about(len(living))
    ids.add(pl.Series(living, dtype=pl.Binary))
    assert ids.may_hold(pl.Series(living, dtype=pl.Binary)).all()
    lists = pl.Series([[living[0], b"own"] if living else [b"own"], others], dtype=pl.List(pl.Binary))
    own = pl.Series([b"own", b"own"], dtype=pl.Binary)
    assert ids.listed(own, lists)[0] == bool(living and living[0] != b"own")


Step = tuple[str, str, object]
CHANGES: dict[str, tuple[object, ...]] = {
    "Plan": (None, "x", "y"),
    "n": (None, 1, 2, WIDE),
    "clevertapIds": (None, ["a"], ["a", "b"], ["c", "d"]),
    "deviceToken": (None, "t"),
    "deleted": (False, True),
}


@st.composite
def tellings(draw: st.DrawFn) -> list[list[pl.DataFrame]]:
    """Days of which each is told much as the one before: the frames of each."""
    blank: Row = dict.fromkeys(CHANGES) | {"deleted": False}
    rows: dict[str, Row] = {name: {"clevertapId": name, **blank} for name in IDS}
    told: list[list[pl.DataFrame]] = []
    for _ in range(3):
        for name in draw(st.lists(st.sampled_from(IDS), max_size=3)):
            field = draw(st.sampled_from([*CHANGES, "gone", "back"]))
            if field == "gone":
                rows.pop(name, None)
            else:
                row = rows.get(name, {"clevertapId": name, **blank})
                rows[name] = {**row, field: draw(st.sampled_from(CHANGES[field]))} if field in CHANGES else row
        extra = draw(st.lists(st.sampled_from([*rows.values(), {"clevertapId": None, **blank}]), max_size=2))
        told.append(
            _frames([*rows.values(), *extra], draw(st.sampled_from(["same", "same", "float", "no plan", "new"])))
        )
    return told


def _frames(rows: list[Row], kind: str) -> list[pl.DataFrame]:
    strings = pl.List(pl.String)
    schema = {"clevertapId": pl.String, "clevertapIds": strings, "deviceToken": pl.String, "deleted": pl.Boolean}
    frame = pl.DataFrame(rows, schema={**schema, "Plan": pl.String, "n": pl.Int64})
    if kind == "no plan":
        return [frame.drop("Plan")]
    if kind == "new":
        return [frame, frame[:1].with_columns(pl.lit("Rome").alias("City"), pl.lit("g").alias("clevertapId"))]
    wide = frame[:1].with_columns(pl.lit(0.5).alias("n"), pl.lit("g").alias("clevertapId"))
    return [wide, frame] if kind == "float" else [frame]


@pytest.mark.req("P22", "P25", "B2", "B6")
@settings(max_examples=15, deadline=None)
@given(tellings(), st.booleans())
def test_with_and_without_a_memory_the_same_is_written(told: list[list[pl.DataFrame]], again: bool) -> None:
    with TemporaryDirectory() as folder:
        lakes = [
            Days(Path(folder) / "memory"),
            Days(Path(folder) / "state"),
            Days(Path(folder) / "plain", tuning=replace(TINY, most_known_rows=0)),
        ]
        order = [*enumerate(told, start=1), *([(2, told[1][:1]), (3, told[2])] if again else [])]
        for number, frames in order:
            written = []
            for days in lakes:
                if days.root.name == "state":
                    rmtree(days.lake.caches, ignore_errors=True)
                written.append(seen(days, number, days.take(number, *frames)))
            assert written[0] == written[2]
            assert written[1] == written[2]


def seen(days: Days, number: int, record: PartitionRecord) -> list[object]:
    """Everything that a day's ingest left, but for the names of attempts."""
    folder = days.root / "lake" / f"partition={key(number)}" / "kind=log"
    live = {file.path for file in days.view().listing.files}
    files = [path for path in sorted(folder.rglob("*.parquet")) if str(path.relative_to(days.root / "lake")) in live]
    refused = days.root / "quarantine" / (record.quarantine or "none")
    told = replace(record, attempt="", row_bytes=0, quarantine=None).to_json()
    rows = pl.concat([pl.read_parquet(path) for path in files]).rows() if files else []
    return [told, rows, pl.read_parquet(refused).rows() if record.quarantine else []]
