"""What has happened to each demo profile by a step of time: born, changed, merged, deleted. No replay of the steps.

Everything is a hash of (seed, profile, what), so any step can be had at once and comes out the same each time. Arrays
are numpy, one element a profile.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
Steps = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
GROUP_COUNT = 6
"""A change touches one of so many groups of properties, in turn."""


def mixed(keys: Numbers, salt: int) -> Numbers:
    """splitmix64: well mixed, and different for different keys under one salt."""
    z = keys + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class Population:
    """How many profiles there are, and how fast they come and change; steps are the source's windows from 0 on."""

    seed: int
    profiles: int
    daily_changes: float
    steps_per_day: int

    @property
    def _born_per_day(self) -> int:
        return max(1, round(self.profiles * self.daily_changes / 10))

    @property
    def period(self) -> int:
        """Steps between two changes of one profile; 0 where none ever changes."""
        return round(self.steps_per_day / self.daily_changes) if self.daily_changes else 0

    def count(self, step: int) -> int:
        """The profiles born by a step."""
        return (
            self.profiles + (self._born_per_day * step) // self.steps_per_day if self.daily_changes else self.profiles
        )

    def births(self, ids: Steps) -> Steps:
        """The step in which each was born."""
        late = ids - self.profiles
        steps = -(-(late + 1) * self.steps_per_day // self._born_per_day)
        return np.where(late < 0, 0, steps)


@dataclass(frozen=True)
class History:
    """The state of a run of profiles at the end of a step."""

    ids: Steps
    key: Numbers
    births: Steps
    touched: Steps
    """The last step in which anything changed, the birth among it."""
    versions: Steps
    """How often each changed by now; a change-back gives the earlier number again."""
    merges: Steps
    """Of the even ones: the step in which the next profile is merged into this one, or NEVER."""
    partner_key: Numbers
    """The key of the next profile."""
    step: int
    departures: Steps
    """The step in which each is gone: deleted, or merged away; else NEVER."""
    is_deletion: Flags

    def group_version(self, group: int) -> Numbers:
        """How often a group of properties has changed: it takes its turn every `GROUP_COUNT` versions."""
        turn = (self.key % np.uint64(GROUP_COUNT)).astype(np.int64)
        return ((self.versions + (turn + group) % GROUP_COUNT) // GROUP_COUNT).astype(np.uint64)


def history(population: Population, ids: Steps, step: int) -> History:
    """What has happened to these profiles (all born) by the end of a step."""
    key = mixed(ids.astype(np.uint64), population.seed)
    births = population.births(ids)
    versions, changed = _changes(population, key, births, step)
    merges, departures, is_deletion = _fates(population, ids, births)
    merged_at = np.where(merges <= step, merges, 0)
    return History(
        ids=ids,
        key=key,
        births=births,
        touched=np.maximum(np.maximum(births, changed), merged_at),
        versions=versions,
        merges=merges,
        partner_key=mixed((ids + 1).astype(np.uint64), population.seed),
        step=step,
        departures=departures,
        is_deletion=is_deletion,
    )


def _changes(population: Population, key: Numbers, births: Steps, step: int) -> tuple[Steps, Steps]:
    """The version of each, and the step of its last change; one in five takes each change back a step later."""
    period = population.period
    if not period:
        return np.zeros(len(key), np.int64), births
    offset = (mixed(key, 1) % np.uint64(period)).astype(np.int64)
    whole = (step + offset) // period - (births + offset) // period
    age = (step + offset) % period
    wavers = (mixed(key, 2) % np.uint64(5) == 0) & (period > 1)
    versions = np.where(wavers, np.where((age == 0) & (whole > 0), 1, 0), whole)
    since = np.where(wavers & (age > 0), age - 1, age)
    return versions, np.where(whole > 0, step - since, births)


def _fates(population: Population, ids: Steps, births: Steps) -> tuple[Steps, Steps, Flags]:
    """Merges are of pairs (even, odd): one pair in fifty; of the rest one in two hundred is deleted some day."""
    pair = mixed((ids // 2).astype(np.uint64), population.seed + 3)
    is_odd = ids % 2 == 1
    partner_births = np.where(is_odd, births, population.births(ids + 1))
    delay = (1 + (pair >> np.uint64(8)) % np.uint64(30)).astype(np.int64) * population.steps_per_day
    paired = pair % np.uint64(50) == 0
    merges = np.where(paired & ~is_odd, partner_births + delay, NEVER)
    own = mixed(ids.astype(np.uint64), population.seed + 4)
    is_deletion = ~paired & (own % np.uint64(200) == 0)
    later = (1 + (own >> np.uint64(8)) % np.uint64(90)).astype(np.int64) * population.steps_per_day
    merged_away = np.where(paired & is_odd, partner_births + delay, NEVER)
    return merges, np.where(is_deletion, births + later, merged_away), is_deletion
