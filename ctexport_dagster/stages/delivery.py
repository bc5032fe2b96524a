"""Chunks → destination: the files under their final names, then the manifest; of a flow, dataset by dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ctexport_dagster.core.datasets.staged import ChosenRows
from ctexport_dagster.core.delivery.basis import note_basis
from ctexport_dagster.core.delivery.protocol import DeliveryOutcome, deliver
from ctexport_dagster.core.delivery.request import USUAL_PACE, DeliveryRequest, Pace, StagedFile
from ctexport_dagster.core.delivery.sending import Progress as SendingProgress
from ctexport_dagster.core.delivery.sending import silent
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.kinds import Shape, files_of_events, has_adobe_keys, naming_of, shape_of
from ctexport_dagster.core.manifest import ManifestHead, RowCounts
from ctexport_dagster.core.naming import Naming, check_collisions
from ctexport_dagster.core.run_names import FileOfEvent, RunNames, run_names
from ctexport_dagster.core.staging import StagedChunk
from ctexport_dagster.findings.outdated import basis_of
from ctexport_dagster.line import Line, StagedPart


def deliver_partition(
    line: Line,
    partition: str,
    destination: Destination,
    *,
    run_id: str,
    pace: Pace = USUAL_PACE,
    progress: Callable[[SendingProgress], None] = silent,
) -> DeliveryOutcome:
    """Delivers what `formatted_chunks` staged for a partition that has one manifest; see `deliver_parts`."""
    outcomes = deliver_parts(line, partition, destination, run_id=run_id, pace=pace, progress=progress)
    (outcome,) = outcomes.values()
    return outcome


def deliver_parts(
    line: Line,
    partition: str,
    destination: Destination,
    *,
    run_id: str,
    pace: Pace = USUAL_PACE,
    progress: Callable[[SendingProgress], None] = silent,
) -> Mapping[str, DeliveryOutcome]:
    """Delivers what `formatted_chunks` staged for one partition, part by part: of a flow, each of its datasets.

    Sends nothing where all of it is there already. What became of each part comes by its name.

    Raises:
        StagingMissing: `formatted_chunks` has not run for this partition, or the declaration was edited since.
        NamingError, DeliveryError, Busy: see core/delivery/protocol.py; nothing is half-visible, and a re-run goes on.
    """
    parts = [_Part(line, partition, staged, run_id) for staged in line.staged_parts(partition)]
    check_collisions(key for part in parts for key in part.plain.values())
    outcomes = {part.staged.name: deliver(part.request(pace), destination, progress=progress) for part in parts}
    for part in parts:
        note_basis(part.staged.record, basis_of(line, part.staged))
    line.note_delivered(partition, [outcome.manifest for outcome in outcomes.values()])
    line.sweep_staging(partition)
    return outcomes


@dataclass(frozen=True)
class _Part:
    """One part of a partition, and the keys of its chunks, plain and renamed for a later generation."""

    line: Line
    partition: str
    staged: StagedPart
    run_id: str

    def request(self, pace: Pace) -> DeliveryRequest:
        return DeliveryRequest(
            record=self.staged.record,
            attempt=self.staged.chunks.attempt,
            head=self._head,
            files=tuple(
                StagedFile(
                    path=self.staged.folder / chunk.file,
                    key=self.plain[chunk.file],
                    rows=chunk.rows,
                    bytes=chunk.bytes,
                    sha256=chunk.sha256,
                )
                for chunk in self.staged.chunks.chunks
            ),
            manifest_key=self._manifest_key,
            renamed=self._renamed,
            empty_file=self._shape.empty_file,
            on_rerun=self.line.export.on_rerun,
            parallel=pace.parallel,
            retries=pace.retries,
        )

    @cached_property
    def plain(self) -> dict[str, str]:
        """The chunk's file → its key."""
        return {chunk.file: self._key(chunk, self._names) for chunk in self.staged.chunks.chunks}

    @cached_property
    def _naming(self) -> Naming:
        return naming_of(self.line.export)

    @cached_property
    def _names(self) -> RunNames:
        return run_names(self.line.export, self.line.cadence, self.line.window(self.partition), self.run_id)

    @cached_property
    def _shape(self) -> Shape:
        return shape_of(self.line.export, self.staged.chunks.resolved)

    @cached_property
    def _by_key(self) -> dict[str, StagedChunk]:
        return {self.plain[chunk.file]: chunk for chunk in self.staged.chunks.chunks}

    @cached_property
    def _events(self) -> Mapping[str, FileOfEvent]:
        return files_of_events(self.staged.chunks.chunks)

    def _renamed(self, file: StagedFile, generation: int) -> str:
        return self._key(self._by_key[file.key], self._names.in_generation(generation))

    def _key(self, chunk: StagedChunk, names: RunNames) -> str:
        held = self.staged.dataset or self._events.get(chunk.file)
        return self._naming.key(names, chunk.instance, chunk.index, held)

    def _manifest_key(self, keys: Sequence[str], generation: int) -> str:
        return self._naming.manifest_key(keys, self._names, generation, self.staged.dataset)

    @cached_property
    def _head(self) -> ManifestHead:
        line, resolved = self.line, self.staged.chunks.resolved
        return ManifestHead(
            export=line.name,
            export_id=line.export.effective_export_id,
            configuration_version=resolved.configuration_version,
            kind=line.export.kind,
            partition=self.partition,
            window=line.window(self.partition),
            run_id=self.run_id,
            mode=resolved.mode,
            format=line.export.format.model_dump(mode="json"),
            fingerprint=self._shape.fingerprint,
            columns=self._shape.columns,
            rows=RowCounts(**resolved.rows.model_dump()),
            lake_version=resolved.lake_version,
            upstream_runs=tuple(dict.fromkeys((*resolved.upstream_runs, resolved.run_id, self.staged.chunks.run_id))),
            dataset=self.staged.name or None,
            too_old=resolved.too_old if isinstance(resolved, ChosenRows) else 0,
            scheduled=self._names.instant if has_adobe_keys(line.export) else None,
        )
