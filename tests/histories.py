"""Random histories of a source, and a plain oracle of what each partition's end state and increment must be.

A history is told twice: as what the source gives (`Given`, for the product), and, from those rows alone, as the state
that REQUIREMENTS P22, P25 and P26 make of them, in dictionaries, row by row (`states`, `changed`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
from line_fakes import Given, Row

from ctexport_dagster.core.source import SourceMode

IDS = ("a", "b", "c", "d", "e")
TEXTS = ("", "one", "two", 'x"y,z', "line\nbreak", "ü 🎉 <&>", "\r\n\t", " [a,b] ", "true")
VALUES: dict[str, tuple[pl.DataType, tuple[object, ...]]] = {
    "plan": (pl.String(), TEXTS),
    "Plan": (pl.String(), ("gold", "silver")),
    "visits": (pl.Int64(), (0, 1, 2, -3, 2**40)),
    "score": (pl.Float64(), (0.5, 1.0, -2.25, 1e20)),
    "vip": (pl.Boolean(), (True, False)),
    "born": (pl.Date(), (date(1990, 2, 28), date(2000, 2, 29))),
    "seen": (pl.Datetime("us", "UTC"), (datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),)),
    "tags": (pl.List(pl.String), (("x",), ("x", "y"), ("y", "x"))),
    "Email": (pl.String(), ("a@example.com", "b@example.com")),
    "MSG-email": (pl.Boolean(), (True, False)),
}
FIELDS = tuple(VALUES)
WIDENED = {"visits": (pl.Float64(), (0.0, 1.0, 2.5, -3.0))}
KEYS: dict[str, pl.DataType] = {
    "clevertapId": pl.String(),
    "clevertapIds": pl.List(pl.String),
    "identity": pl.List(pl.String),
    "deviceToken": pl.String(),
    "subscriptionGroups": pl.String(),
    "instanceId": pl.Int32(),
}
STEPS = ("set", "set", "back", "remove", "device", "ids", "groups", "identity", "move", "delete", "merge")
ELSEWHERE = 7
"""An instance that no profile of a history belongs to."""
GROUPS = ('{"news":"Subscribed"}', '{"news":"Unsubscribed"}', '{"news":"Subscribed","sms":"Unsubscribed"}')
START = datetime(2026, 11, 18, tzinfo=UTC)
NAN = float("nan")

Profile = dict[str, object]
State = dict[str, Profile]


@dataclass(frozen=True)
class History:
    """What a source gives, partition by partition."""

    mode: SourceMode
    given: tuple[Given, ...]


@dataclass
class World:
    """The profiles as they are while a history is made up, and what a `changes` source has said of them so far."""

    mode: SourceMode
    columns: dict[str, pl.DataType]
    living: State = field(default_factory=dict)
    said: list[Row] = field(default_factory=list)
    clock: datetime = START
    tokens: int = 0

    def say(self, profile: str) -> None:
        self.said.append({**self.living[profile], "updatedAt": self.clock})

    def say_gone(self, profile: str) -> None:
        self.said.append({"clevertapId": profile, "deleted": True, "updatedAt": self.clock})


def history(mode: SourceMode, partitions: int, seed: int) -> History:
    """Partitions of create, change, change back, merge, delete, and of columns that come and go; by chance of a seed.

    A seed, and not a choice of Hypothesis for each step: its choices lean to short and tame histories.
    """
    chance = Random(seed)
    world = World(mode, {name: VALUES[name][0] for name in chance.sample(FIELDS, chance.randint(1, 6))})
    given = []
    for _ in range(partitions):
        world.said = []
        at_start = {key: dict(profile) for key, profile in world.living.items()}
        _move_columns(chance, world)
        for _ in range(chance.choice([0, 2, 4, 8, 12])):
            _step(chance, world, at_start)
        given.append(_given(chance, world))
    return History(mode, tuple(given))


def _move_columns(chance: Random, world: World) -> None:
    match chance.choice(["stay", "appear", "vanish", "widen"]):
        case "appear":
            name = chance.choice(FIELDS)
            world.columns.setdefault(name, VALUES[name][0])
        case "vanish" if len(world.columns) > 1:
            gone = chance.choice(sorted(world.columns))
            del world.columns[gone]
            for profile in world.living.values():
                profile.pop(gone, None)
        case "widen" if "visits" in world.columns:
            world.columns["visits"] = WIDENED["visits"][0]
        case _:
            pass


def _step(chance: Random, world: World, at_start: State) -> None:
    profile = chance.choice(IDS)
    world.clock += timedelta(seconds=chance.choice([0, 1, 1]))
    if profile not in world.living:
        world.living[profile] = {"clevertapId": profile, "clevertapIds": [profile]}
        _set_some(chance, world, world.living[profile])
        world.say(profile)
        return
    kind = chance.choice(STEPS)
    if kind == "delete":
        del world.living[profile]
        world.say_gone(profile)
        return
    _change(chance, world, at_start, profile, kind)
    world.say(profile)


def _change(chance: Random, world: World, at_start: State, profile: str, kind: str) -> None:
    now = world.living[profile]
    match kind:
        case "set":
            _set_some(chance, world, now)
        case "back":
            told = at_start.get(profile, now)
            world.living[profile] = {k: value for k, value in told.items() if k in KEYS or k in world.columns}
        case "remove":
            now.pop(chance.choice(sorted(world.columns)), None)
        case "device":
            world.tokens += 1
            now["deviceToken"] = f"token{world.tokens}"
        case "ids":
            ids = _ids(now)
            now["clevertapIds"] = chance.choice([ids[::-1], [*ids, f"old-{profile}"], ids + ids[:1]])
        case "groups":
            now["subscriptionGroups"] = chance.choice((*GROUPS, None))
        case "identity":
            now["identity"] = chance.choice([None, [profile.upper()], ["n1", profile.upper()], ["x", "x"]])
        case "move":
            now["instanceId"] = chance.choice([None, 4, 5])
        case _:
            _merge(world, profile, chance.choice(IDS))


def _merge(world: World, profile: str, other: str) -> None:
    """The profile takes another one in: it lists the other's ids, and the other is gone without a word."""
    if other != profile and other in world.living:
        gone = world.living.pop(other)
        now = world.living[profile]
        now["clevertapIds"] = list(dict.fromkeys([*_ids(now), *_ids(gone)]))


def _ids(profile: Mapping[str, object]) -> list[str]:
    ids = profile.get("clevertapIds") or []
    assert isinstance(ids, list)
    return ids


def _set_some(chance: Random, world: World, profile: Profile) -> None:
    for name in chance.choices(sorted(world.columns), k=chance.randint(0, 3)):
        values = WIDENED[name][1] if world.columns[name] == pl.Float64() and name in WIDENED else VALUES[name][1]
        profile[name] = chance.choice(values)


def _given(chance: Random, world: World) -> Given:
    """What the source says of this partition; now and then it holds rows that can't be used."""
    columns = {**KEYS, **world.columns}
    rows: list[Row] = [dict(row) for row in (world.living.values() if world.mode == "snapshot" else world.said)]
    if world.mode == "changes":
        columns |= {"updatedAt": pl.Datetime("us", "UTC"), "deleted": pl.Boolean()}
    if chance.random() < 0.3:
        rows += _bad_rows(chance, world, rows)
    chance.shuffle(rows)
    # A column that a row lacks because it vanished meanwhile must not stand in it either.
    kept = tuple({key: value for key, value in row.items() if key in columns} for row in rows)
    return Given(columns, kept, batch_rows=chance.choice([1000, 2]))


def _bad_rows(chance: Random, world: World, rows: Sequence[Row]) -> list[Row]:
    kind = chance.choice(["nobody", "twin", "copy", "nan", "elsewhere"])
    living = [row for row in rows if not row.get("deleted")]
    if kind == "nobody" or not living:
        return [{"clevertapId": None, "identity": ["nobody"]}]
    row = dict(chance.choice(living))
    if kind == "twin":
        return [{**row, "identity": ["twin"]}]
    if kind == "elsewhere":
        return [{**row, "instanceId": ELSEWHERE}]
    if kind == "nan" and "score" in world.columns:
        return [{**row, "score": NAN}]
    return [row]


def states(history: History) -> list[State]:
    """The living profiles after each partition, by clevertapId."""
    state: State = {}
    known: dict[str, None] = {}
    told: list[State] = []
    for given in history.given:
        absent = [name for name in known if name not in given.columns]
        after = _after_snapshot if history.mode == "snapshot" else _after_changes
        state = after(state, given, absent)
        known |= dict.fromkeys(name for name in FIELDS if name in given.columns)
        told.append(state)
    return told


def changed(before: State, after: State) -> set[str]:
    """The profiles created since `before`, or different by what counts as a change."""
    return {key for key, profile in after.items() if key not in before or compared(before[key]) != compared(profile)}


def compared(profile: Profile) -> object:
    """What makes a change of a profile: identifiers, groups, properties, preferences; never device or instance."""
    identity = profile.get("identity") or []
    assert isinstance(identity, list)
    return (
        tuple(identity),
        frozenset(_ids(profile)),
        profile.get("subscriptionGroups"),
        fields_of(profile),
    )


def fields_of(profile: Profile) -> dict[str, object]:
    """The values of a profile's properties and preferences."""
    return {name: profile[name] for name in FIELDS if profile.get(name) is not None}


def living_rows(given: Given) -> int:
    """How many rows a partition gives that aren't marked as deletions; those that can't be used among them."""
    return sum(not row.get("deleted") for row in given.rows)


def _after_snapshot(before: State, given: Given, absent: Iterable[str]) -> State:
    rows: dict[str, list[Row]] = {}
    for row in given.rows:
        if row.get("clevertapId"):
            rows.setdefault(str(row["clevertapId"]), []).append(row)
    may_be_anybodys = any(not row.get("clevertapId") for row in given.rows)
    after: State = {key: now for key, now in before.items() if key not in rows} if may_be_anybodys else {}
    for key, copies in rows.items():
        contents = [(compared(dict(row)), row.get("deviceToken"), row.get("instanceId")) for row in copies]
        if any(_is_bad(row) for row in copies) or any(content != contents[0] for content in contents):
            if key in before:
                after[key] = before[key]
        else:
            after[key] = _kept(before.get(key), copies[0], absent)
    return after


def _after_changes(before: State, given: Given, absent: Iterable[str]) -> State:
    words: dict[str, tuple[tuple[datetime, int], Row | None]] = {}

    def hear(key: str, at: tuple[datetime, int], row: Row | None) -> None:
        if key not in words or words[key][0] <= at:
            words[key] = (at, row)

    for number, row in enumerate(given.rows):
        if not row.get("clevertapId") or _is_bad(row):
            continue
        key, updated = str(row["clevertapId"]), row.get("updatedAt")
        at = (updated if isinstance(updated, datetime) else datetime.min.replace(tzinfo=UTC), number)
        hear(key, at, None if row.get("deleted") else row)
        for merged in _ids(row):
            if merged != key and not row.get("deleted"):
                hear(merged, at, None)
    after = dict(before)
    for key, (_, row) in words.items():
        if row is None:
            after.pop(key, None)
        else:
            after[key] = _kept(before.get(key), row, absent)
    return after


def _kept(before: Profile | None, row: Row, absent: Iterable[str]) -> Profile:
    """The row, with the last values of the fields that the partition has no column for."""
    carried = {name: before.get(name) for name in absent} if before is not None else {}
    return {**row, **carried}


def _is_bad(row: Row) -> bool:
    score = row.get("score")
    return isinstance(score, float) and score != score
