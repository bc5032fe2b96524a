"""The record of a partition's deliveries: what was planned, what was sent, which manifests stand.

<state>/deliveries/<export>/<partition>/
    plan-g1.json        the frozen plan of generation 1 (written last of the three)
    draft-g1.json       its manifest's exact text; becomes manifest-g1.json once the manifest is delivered
    empty-g1            its empty file, only where a key is no longer used
    journal-g1.jsonl    {"event": "sending" | "sent", "key": …, "attempt": …}, durable before the next step
    manifest-g1.json    generation 1 is delivered
    basis.json          what of the source the newest generation rests on (core/delivery/basis.py)
    .lock               held while a delivery is at work
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from ctexport_dagster.core.atomic import sync_folder, write_bytes
from ctexport_dagster.core.delivery.journal import Journal
from ctexport_dagster.core.delivery.plan import NOTHING, Earlier, Plan
from ctexport_dagster.core.manifest import Manifest

Event = Literal["sending", "sent"]

_PLAN = re.compile(r"plan-g(\d+)\.json")
_MANIFEST = re.compile(r"manifest-g(\d+)\.json")


@dataclass(frozen=True)
class Generation:
    """One generation of a partition, as its record has it."""

    record: Path
    plan: Plan

    @property
    def number(self) -> int:
        return self.plan.generation

    @property
    def is_delivered(self) -> bool:
        return self._file("manifest").exists()

    @property
    def manifest_path(self) -> Path:
        """The manifest's text, delivered or still to be."""
        return self._file("manifest") if self.is_delivered else self._file("draft")

    @property
    def empty_path(self) -> Path:
        return self.record / f"empty-g{self.number}"

    @cached_property
    def manifest(self) -> Manifest:
        return Manifest.from_json(self.manifest_path.read_text(encoding="utf-8"))

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.record / f"journal-g{self.number}.jsonl")

    def note(self, event: Event, key: str, attempt: str) -> None:
        """Writes one step down, durably."""
        self.journal.append({"event": event, "key": key, "attempt": attempt})

    def steps(self) -> Iterator[tuple[Event, str, str]]:
        """Event, key and attempt of every step so far, oldest first."""
        for entry in self.journal.entries():
            yield "sent" if entry["event"] == "sent" else "sending", str(entry["key"]), str(entry["attempt"])

    def sent_keys(self) -> set[str]:
        return {key for event, key, _ in self.steps() if event == "sent"}

    def unfinished(self) -> list[tuple[str, str]]:
        """Key and attempt of every upload that began and was never seen to end, where no later one ended either."""
        began: dict[str, dict[str, None]] = {}
        for event, key, attempt in self.steps():
            if event == "sending":
                began.setdefault(key, {})[attempt] = None
            else:
                began.pop(key, None)
        return [(key, attempt) for key, attempts in began.items() for attempt in attempts]

    def has_sent_all_files(self) -> bool:
        """Whether nothing but the manifest is left to send: a manifest lies there only if this holds."""
        sent = self.sent_keys()
        files = (file.key for file in self.plan.files if not file.held)
        return all(key in sent for key in chain(files, (blank.key for blank in self.plan.blanks)))

    def close(self) -> None:
        """Records that the manifest was delivered."""
        if not self.is_delivered:
            self._file("draft").replace(self._file("manifest"))
            sync_folder(self.record)

    def withdraw(self) -> None:
        """Forgets a plan that nothing was sent of."""
        self._file("plan").unlink()
        for path in (self._file("draft"), self.empty_path, self.journal.path):
            path.unlink(missing_ok=True)
        sync_folder(self.record)

    def _file(self, what: Literal["plan", "draft", "manifest"]) -> Path:
        return self.record / f"{what}-g{self.number}.json"


def generations(record: Path) -> list[Generation]:
    """Every generation that was ever planned for a partition, oldest first."""
    numbers = sorted(int(match[1]) for path in record.glob("plan-g*.json") if (match := _PLAN.fullmatch(path.name)))
    return [Generation(record, _plan(record, number)) for number in numbers]


def freeze(record: Path, plan: Plan, manifest_text: str, empty_file: bytes) -> Generation:
    """Writes a plan down; it exists from the moment in which all that it needs does."""
    generation = Generation(record, plan)
    if plan.blanks:
        write_bytes(generation.empty_path, empty_file)
    write_bytes(record / f"draft-g{plan.generation}.json", manifest_text.encode())
    write_bytes(record / f"plan-g{plan.generation}.json", plan.model_dump_json(indent=1).encode() + b"\n")
    return generation


def earlier(past: list[Generation]) -> Earlier:
    """What the generations so far mean for the next one."""
    delivered = [generation.number for generation in past if generation.is_delivered]
    return Earlier(
        plans=tuple(generation.plan for generation in past),
        delivered=delivered[-1] if delivered else None,
        holdings=holdings(past),
    )


def holdings(past: list[Generation]) -> dict[str, frozenset[str | None]]:
    """The checksums that may lie at each address ever written to. See core/delivery/plan.py."""
    found: dict[str, frozenset[str | None]] = {}
    for generation in past:
        contents = generation.plan.contents
        for event, key, _ in generation.steps():
            address, sha256 = contents[key]
            sent = frozenset({sha256})
            found[address] = sent if event == "sent" else found.get(address, NOTHING) | sent
    return found


def latest_manifest(record: Path) -> Manifest | None:
    """The newest delivered manifest of a partition; None before its first delivery."""
    numbers = [int(match[1]) for path in record.glob("manifest-g*.json") if (match := _MANIFEST.fullmatch(path.name))]
    if not numbers:
        return None
    return Manifest.from_json((record / f"manifest-g{max(numbers)}.json").read_text(encoding="utf-8"))


def _plan(record: Path, number: int) -> Plan:
    return Plan.model_validate_json((record / f"plan-g{number}.json").read_bytes())
