"""The delivery plan: which file goes under which key in one generation of a partition, frozen before the first byte.

What may lie at the destination is never read there; it follows from the plans and journals of all generations so far.
For each address, `Holdings` has the checksums that may lie there, `None` for "nothing of ours":

    no line in any journal              {None}
    `sending` a                         what it had, or a: the process may have died before, in or after the upload
    `sent` a                            {a}

A plan decides from them:

    the chunk's bytes surely lie there              not sent again (`held`)
    nothing but them or nothing may lie there       sent; "it exists" is success
    other bytes may lie there                       sent, `overwrites` them
    other bytes may lie at an address of ours       that this generation doesn't use: `overwrite` puts the format's
                                                    empty file there; `new_names` leaves it, for a write-once bucket

`resend` sends held bytes all the same, and under `overwrite` replaces whatever lies there by now.
Under `new_names` a chunk keeps the key of an earlier generation whose bytes it has, else it gets a name of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.delivery.request import DeliveryRequest, StagedFile
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.manifest import Manifest, ManifestFile

Holdings = Mapping[str, frozenset[str | None]]
NOTHING: frozenset[str | None] = frozenset({None})


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedFile(_Document):
    """One file under its key; `plain_key` is what it would be called in the first generation."""

    plain_key: str
    key: str
    address: str
    rows: int
    bytes: int
    sha256: str
    held: bool
    overwrites: bool


class PlannedObject(_Document):
    """A file that is no chunk: the manifest, or an empty file over a key that is no longer used."""

    key: str
    address: str
    bytes: int
    sha256: str
    overwrites: bool


class Plan(_Document):
    """Everything that one generation puts at the destination; the manifest's text lies beside it."""

    generation: int
    files: tuple[PlannedFile, ...]
    blanks: tuple[PlannedObject, ...]
    manifest: PlannedObject

    @property
    def addresses(self) -> list[str]:
        """Every address that the plan writes or relies on: the files', the blanks', the manifest's."""
        return [item.address for item in chain(self.files, self.blanks, [self.manifest])]

    @property
    def contents(self) -> dict[str, tuple[str, str]]:
        """Address and checksum by key."""
        return {item.key: (item.address, item.sha256) for item in chain(self.files, self.blanks, [self.manifest])}


@dataclass(frozen=True)
class Earlier:
    """What the generations before left: their plans, oldest first, and what may lie at the destination now."""

    plans: tuple[Plan, ...]
    delivered: int | None
    """The newest generation whose manifest was delivered."""
    holdings: Holdings

    @property
    def next_generation(self) -> int:
        return self.plans[-1].generation + 1 if self.plans else 1

    def may_hold(self, address: str) -> frozenset[str | None]:
        return self.holdings.get(address, NOTHING)


def make_plan(request: DeliveryRequest, destination: Destination, earlier: Earlier) -> tuple[Plan, Manifest]:
    """The plan of the next generation, and its manifest."""
    generation = earlier.next_generation
    files = tuple(_planned(file, request, destination, earlier) for file in request.files)
    manifest = request.head.manifest(as_manifest_files(files), generation=generation, supersedes=earlier.delivered)
    key = request.manifest_key([file.key for file in files], generation)
    plan = Plan(
        generation=generation,
        files=files,
        blanks=tuple(_blanks(request, destination, earlier, files)),
        manifest=_object(key, manifest.to_json().encode(), destination, earlier),
    )
    return plan, manifest


def fulfils(plan: Plan, planned: Manifest, request: DeliveryRequest, destination: Destination) -> bool:
    """Whether the plan delivers just what is asked for now: same rows and bytes, same names, same place."""
    if [file.plain_key for file in plan.files] != [file.key for file in request.files]:
        return False
    keys = [file.key for file in plan.files]
    files = [
        ManifestFile(key=key, rows=file.rows, bytes=file.bytes, sha256=file.sha256)
        for key, file in zip(keys, request.files, strict=True)
    ]
    asked = request.head.manifest(files, generation=planned.generation, supersedes=planned.supersedes)
    return (
        asked.tells_the_same_as(planned)
        and request.manifest_key(keys, plan.generation) == plan.manifest.key
        and is_at(destination, plan)
    )


def is_at(destination: Destination, plan: Plan) -> bool:
    """Whether the plan was made for this destination, as it is declared today."""
    return all(destination.address(item.key) == item.address for item in chain(plan.files, [plan.manifest]))


def as_manifest_files(files: Iterable[PlannedFile]) -> list[ManifestFile]:
    return [ManifestFile(key=file.key, rows=file.rows, bytes=file.bytes, sha256=file.sha256) for file in files]


def _planned(file: StagedFile, request: DeliveryRequest, destination: Destination, earlier: Earlier) -> PlannedFile:
    key = _key(file, request, destination, earlier)
    address = destination.address(key)
    there = earlier.may_hold(address)
    is_forced = request.resend and request.on_rerun == "overwrite"
    return PlannedFile(
        plain_key=file.key,
        key=key,
        address=address,
        rows=file.rows,
        bytes=file.bytes,
        sha256=file.sha256,
        held=there == {file.sha256} and not request.resend,
        overwrites=bool(there - ({None} if is_forced else {None, file.sha256})),
    )


def _key(file: StagedFile, request: DeliveryRequest, destination: Destination, earlier: Earlier) -> str:
    if request.on_rerun == "overwrite" or not earlier.plans:
        return file.key
    for older in reversed([old for plan in earlier.plans for old in plan.files]):
        is_same = (older.plain_key, older.sha256) == (file.key, file.sha256)
        address = destination.address(older.key)
        if is_same and address == older.address and earlier.may_hold(address) <= {None, file.sha256}:
            return older.key
    return request.renamed(file, earlier.next_generation)


def _blanks(
    request: DeliveryRequest, destination: Destination, earlier: Earlier, files: Iterable[PlannedFile]
) -> Iterable[PlannedObject]:
    if request.on_rerun != "overwrite":
        return
    used = {file.address for file in files}
    empty = hashlib.sha256(request.empty_file).hexdigest()
    once_written = {item.key: item.address for plan in earlier.plans for item in chain(plan.files, plan.blanks)}
    for key, address in sorted(once_written.items()):
        is_reachable = destination.address(key) == address
        if is_reachable and address not in used and earlier.may_hold(address) - {None, empty}:
            yield _object(key, request.empty_file, destination, earlier)


def _object(key: str, content: bytes, destination: Destination, earlier: Earlier) -> PlannedObject:
    address, sha256 = destination.address(key), hashlib.sha256(content).hexdigest()
    overwrites = bool(earlier.may_hold(address) - {None, sha256})
    return PlannedObject(key=key, address=address, bytes=len(content), sha256=sha256, overwrites=overwrites)
