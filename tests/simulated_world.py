"""Three exports, their sources and destinations, in a world in which things go wrong at times of the test's choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import polars as pl
from line_fakes import Given
from pydantic import Field, InstanceOf
from simulation import Clock, SimulatedInstance, Simulation
from smtp_server import HOST

from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.build import build_definitions
from ctexport_dagster.core.destination import Destination, PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError, SourceMissing
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.settings import Mail, Settings
from ctexport_dagster.core.source import ProfileInput, Source, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.line import Line
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.state import StateFolders

COLUMNS: Mapping[str, pl.DataType] = {"clevertapId": pl.String(), "plan": pl.String()}
OPERATIONS = "operations@example.com"


@dataclass
class World:
    """What goes wrong, and when. Everything else is well."""

    instance: SimulatedInstance
    refusals: dict[str, list[tuple[Interval, Failure]]] = field(default_factory=dict)
    """By destination: spans in which it takes nothing, and what it says."""
    late: dict[tuple[str, datetime], datetime] = field(default_factory=dict)
    """By source and a window's start: when its file comes; else at the window's end."""
    kills: dict[str, datetime] = field(default_factory=dict)
    """By destination: the next run that delivers there from then on is killed as it does."""

    @property
    def now(self) -> datetime:
        return self.instance.clock()

    def check(self, destination: str) -> Failure | None:
        """Why the destination takes nothing now, if so; or the end of the run."""
        if (at := self.kills.get(destination)) and at <= self.now:
            del self.kills[destination]
            self.instance.kill()
        return next((failure for span, failure in self.refusals.get(destination, []) if self.now in span), None)


def profiles_at(number: int) -> dict[str, str]:
    """The state at the end of a window: each changes every seventh profile, every fourth brings another one."""
    return {f"id{n}": f"plan {number - (number - n) % 7}" for n in range(20 + number // 4)}


@dataclass(frozen=True)
class WorldlySource:
    """Gives the state at each window's end, once its file has come."""

    declared: "WorldlySourceDeclaration"

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        world = self.declared.world
        if world.now < world.late.get((self.declared.name, window.start), window.end):
            raise SourceMissing(
                f"Looking for the profiles of {partition}", "no file lies there", "Put it there; it is found by itself."
            )
        given = Given(COLUMNS, tuple({"clevertapId": n, "plan": p} for n, p in self.declared.truth(window).items()))
        return ProfileInput(given.fingerprint, ("the world",), given.batches, len(given.rows), tuple(COLUMNS))


class WorldlySourceDeclaration(SourceDeclaration):
    """Declares a `WorldlySource`."""

    type: Literal["world"] = "world"
    world: InstanceOf[World] = Field(exclude=True)

    def open(self, surroundings: Surroundings) -> Source:
        return WorldlySource(self)

    def truth(self, window: Interval) -> dict[str, str]:
        """Every profile at the window's end."""
        return profiles_at(self.numbers[window.start])

    @cached_property
    def numbers(self) -> Mapping[datetime, int]:
        far = self.cadence.first.start + timedelta(days=60)
        return {window.start: number for number, window in enumerate(self.cadence.windows(until=far))}


@dataclass(frozen=True)
class WorldlyDestination:
    """A folder that takes files while the world lets it."""

    name: str
    folder: Destination
    world: World

    def put(self, upload: Upload) -> PutOutcome:
        if failure := self.world.check(self.name):
            raise DeliveryError(f"Writing {upload.key}", failure)
        return self.folder.put(upload)

    def discard_unfinished(self, key: str, attempt: str) -> None:
        self.folder.discard_unfinished(key, attempt)

    def address(self, key: str) -> str:
        return self.folder.address(key)


class WorldlyDestinationDeclaration(LocalDestination):
    """Declares a `WorldlyDestination`."""

    world: InstanceOf[World] = Field(exclude=True)

    def open(self, surroundings: Surroundings) -> Destination:  # pyright: ignore[reportIncompatibleMethodOverride]
        return WorldlyDestination(self.name, super().open(surroundings), self.world)


@dataclass(frozen=True)
class WorldlyHome:
    """A home of exports, each with a source and a destination of its own; `sources` and `exports` are by export."""

    root: Path
    world: World
    sources: Mapping[str, WorldlySourceDeclaration]
    exports: Mapping[str, Export]

    @property
    def folders(self) -> StateFolders:
        return StateFolders(self.root / "state")

    def line(self, name: str) -> Line:
        return Line(self.exports[name], self.sources[name], self.folders)

    def delivered_to(self, name: str) -> Path:
        return self.root / "exports" / name

    def simulation(self, mail_port: int) -> Simulation:
        """The home under a simulated daemon, with a mail server at a port."""
        destinations = {
            name: WorldlyDestinationDeclaration(type="local", name=name, folder=f"exports/{name}", world=self.world)
            for name in self.exports
        }
        definitions = build_definitions(
            self.exports.values(),
            {source.name: source for source in self.sources.values()},
            destinations,
            surroundings=Surroundings(self.root),
            workshop=Workshop(self.folders),
            settings=Settings(
                mail=Mail(host=HOST, port=mail_port, security="none", sender="exports@example.com"),
                operations=OPERATIONS,
                dagit_url="https://dagster.example.com",
            ),
            clock=self.world.instance.clock,
        )
        return Simulation(definitions, self.world.instance)


def worldly_home(root: Path, start: date, clock: Clock) -> WorldlyHome:
    """A daily full export, a daily incremental one in India, and one every six hours in New York."""
    world = World(SimulatedInstance(clock, root / "dagster"))
    kinds = {
        "full": ({}, {"mode": "full", "at": "02:00"}),
        "india": ({"timezone": "Asia/Kolkata"}, {"at": "00:30"}),
        "york": ({"timezone": "America/New_York", "every": 6}, {"at": "00:10"}),
    }
    sources = {
        name: WorldlySourceDeclaration.model_validate({"name": f"crm_{name}", "start": start, "world": world, **source})
        for name, (source, _) in kinds.items()
    }
    exports = {
        name: Export.model_validate(
            {
                "name": name,
                "owner": owner_of(name),
                "source": f"crm_{name}",
                "destination": name,
                "account_id": 1,
                "format": "json",
                "columns": {"properties": ["plan"]},
                "schedule": schedule,
            }
        )
        for name, (_, schedule) in kinds.items()
    }
    return WorldlyHome(root, world, sources, exports)


def owner_of(export: str) -> str:
    return f"{export}@example.com"
