"""Delivers one partition: every file once, the manifest last, whatever instant the process dies at.

    1  take the partition's lock; another run that holds it means `Busy`
    2  read the record: the plans and journals of all generations (core/delivery/record.py)
    3  remove what a dead attempt at the newest generation left under temporary names
    4  settle which plan to follow (the table below), claim its addresses, freeze it; only then
    5  files, in parallel: check the staged bytes, note `sending`, put, note `sent`
    6  empty files over keys no longer used, in the same way
    7  the manifest, in the same way
    8  record the manifest: the generation is delivered

The plan that is followed, by the newest generation n in the record and what is asked for:

    nothing in the record                              a plan for generation 1
    n delivered, says the same                         none: `unchanged`, nothing is sent (`resend`: n + 1)
    n delivered, says otherwise                        a plan for n + 1
    n planned, nothing begun                           withdrawn; then as if it had never been
    n begun, says the same                             n is resumed: what its journal has as `sent` isn't sent again
    n begun, says otherwise, all but its manifest sent its manifest may lie there already, so it is finished first,
                                                       from the record alone; then as "n delivered"
    n begun, says otherwise, files missing             abandoned: its manifest can't lie there. n + 1 supersedes the
                                                       last delivered one; keys that n began are overwritten where
                                                       n + 1 uses them, emptied where it doesn't (core/delivery/plan.py)
    n begun at another destination                     abandoned likewise; what lies there is out of reach and stays

A crash in any step leads to one of these rows: before the plan is frozen, nothing has changed (addresses stay claimed
by their own partition); in 5 to 7 n is begun; between 7 and 8 all but the manifest is known to be sent, and putting the
same manifest again changes nothing. "Says the same" leaves out which run, edit and lake version said it.
Source: REQUIREMENTS B2, P2, P10, P36, A12, A13 and ARCHITECTURE, rule 6.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from filelock import FileLock, Timeout

from ctexport_dagster.core.delivery.claims import claim
from ctexport_dagster.core.delivery.plan import Plan, fulfils, is_at, make_plan
from ctexport_dagster.core.delivery.record import Generation, earlier, freeze, generations, holdings
from ctexport_dagster.core.delivery.request import DeliveryRequest
from ctexport_dagster.core.delivery.sending import Progress, Sender, Tally, silent
from ctexport_dagster.core.destination import Destination, Upload
from ctexport_dagster.core.errors import Busy, NamingError
from ctexport_dagster.core.manifest import Manifest

DeliveryStatus = Literal["delivered", "unchanged"]


@dataclass(frozen=True)
class DeliveryOutcome:
    """What a delivery came to; counts are of this attempt alone, blanks and the manifest apart from the files."""

    status: DeliveryStatus
    manifest: Manifest
    manifest_key: str
    manifest_address: str
    resumed: bool
    sent_files: int
    sent_bytes: int
    emptied_keys: int


def deliver(
    request: DeliveryRequest, destination: Destination, *, progress: Callable[[Progress], None] = silent
) -> DeliveryOutcome:
    """Brings a partition to its destination, or finds that it is there.

    Raises:
        Busy: another run delivers this partition; nothing was touched.
        NamingError: two files would get one key, or another partition has it; nothing was sent.
        DeliveryError: a file could not be delivered, or a staged one is damaged. Run it again: it resumes.
    """
    with _alone(request):
        past = _settled(request, destination)
        newest = past[-1] if past else None
        is_same = newest is not None and _fulfils(newest, request, destination)
        if newest and is_same and newest.is_delivered and not request.resend:
            return _outcome("unchanged", newest, Tally(), resumed=False)
        resumes = newest is not None and is_same and not newest.is_delivered
        generation = newest if newest and resumes else _planned(request, destination, past)
        everything = past if resumes else [*past, generation]
        tally = _send(generation, everything, request, destination, progress)
        return _outcome("delivered", generation, tally, resumed=resumes)


@contextmanager
def _alone(request: DeliveryRequest) -> Iterator[None]:
    request.record.mkdir(parents=True, exist_ok=True)
    lock = FileLock(request.record / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Busy(
            f"Delivering {request.head.export}, partition {request.head.partition}",
            "another run is delivering it",
            "Wait for that run to end, then look whether this one is still needed.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _settled(request: DeliveryRequest, destination: Destination) -> list[Generation]:
    """The record's generations, after an open one that isn't to be resumed was withdrawn or finished."""
    past = generations(request.record)
    if not past or past[-1].is_delivered:
        return past
    newest = past[-1]
    _discard_unfinished(newest, destination)
    if _fulfils(newest, request, destination):
        return past
    if next(newest.steps(), None) is None:
        newest.withdraw()
        return past[:-1]
    if newest.has_sent_all_files() and is_at(destination, newest.plan):
        _send_manifest(newest, _sender(newest, past, request, destination, silent))
    return past


def _discard_unfinished(generation: Generation, destination: Destination) -> None:
    """Before anything is sent again: afterwards the journal no longer tells which uploads a dead attempt left open."""
    contents = generation.plan.contents
    for key, attempt in generation.unfinished():
        if destination.address(key) == contents[key][0]:
            destination.discard_unfinished(key, attempt)


def _fulfils(generation: Generation, request: DeliveryRequest, destination: Destination) -> bool:
    return fulfils(generation.plan, generation.manifest, request, destination)


def _planned(request: DeliveryRequest, destination: Destination, past: list[Generation]) -> Generation:
    plan, manifest = make_plan(request, destination, earlier(past))
    _refuse_twins(request, plan)
    claim(request.deliveries, *request.claimant, plan.addresses)
    return freeze(request.record, plan, manifest.to_json(), request.empty_file)


def _refuse_twins(request: DeliveryRequest, plan: Plan) -> None:
    seen: set[str] = set()
    for item in (*plan.files, plan.manifest):
        if item.address in seen:
            raise NamingError(
                f"Planning the delivery of {request.head.export}, partition {request.head.partition}",
                f"two files would get the key {item.key}",
                "Add {{Instance-id}} and {{Index}} to files.name; nothing was sent.",
            )
        seen.add(item.address)


def _send(
    generation: Generation,
    everything: list[Generation],
    request: DeliveryRequest,
    destination: Destination,
    progress: Callable[[Progress], None],
) -> Tally:
    sender = _sender(generation, everything, request, destination, progress)
    sent = generation.sent_keys()
    paths = {file.key: file.path for file in request.files}
    files = [
        Upload(paths[file.plain_key], file.key, file.bytes, file.sha256, request.attempt, file.overwrites)
        for file in generation.plan.files
        if not file.held and file.key not in sent
    ]
    blanks = [
        Upload(generation.empty_path, blank.key, blank.bytes, blank.sha256, request.attempt, blank.overwrites)
        for blank in generation.plan.blanks
        if blank.key not in sent
    ]
    sender.send_all(files)
    sender.send_all(blanks)
    _send_manifest(generation, sender)
    return Tally(files=len(files), bytes=sum(file.bytes for file in files), blanks=len(blanks))


def _send_manifest(generation: Generation, sender: Sender) -> None:
    manifest = generation.plan.manifest
    if manifest.key not in generation.sent_keys():
        sender.send_all(
            [
                Upload(
                    generation.manifest_path,
                    manifest.key,
                    manifest.bytes,
                    manifest.sha256,
                    sender.attempt,
                    manifest.overwrites,
                )
            ]
        )
    generation.close()


def _sender(
    generation: Generation,
    everything: list[Generation],
    request: DeliveryRequest,
    destination: Destination,
    progress: Callable[[Progress], None],
) -> Sender:
    return Sender(
        destination=destination,
        generation=generation,
        holdings=holdings(everything),
        attempt=request.attempt,
        parallel=request.parallel,
        retries=request.retries,
        progress=progress,
    )


def _outcome(status: DeliveryStatus, generation: Generation, tally: Tally, *, resumed: bool) -> DeliveryOutcome:
    return DeliveryOutcome(
        status=status,
        manifest=generation.manifest,
        manifest_key=generation.plan.manifest.key,
        manifest_address=generation.plan.manifest.address,
        resumed=resumed,
        sent_files=tally.files,
        sent_bytes=tally.bytes,
        emptied_keys=tally.blanks,
    )
