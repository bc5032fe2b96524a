"""Chunks → destination: the files under their final names, then the manifest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ctexport_dagster.core.columns import plan_from_staged
from ctexport_dagster.core.delivery.protocol import DeliveryOutcome, deliver
from ctexport_dagster.core.delivery.request import USUAL_PACE, DeliveryRequest, Pace, StagedFile
from ctexport_dagster.core.delivery.sending import Progress as SendingProgress
from ctexport_dagster.core.delivery.sending import silent
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.kinds import columns_of, empty_file_for, files_of_events, naming_of, schema_fingerprint
from ctexport_dagster.core.manifest import ManifestHead, RowCounts
from ctexport_dagster.core.naming import FileOfEvent, Naming, RunNames, check_collisions, run_names
from ctexport_dagster.core.staging import ResolvedRows, StagedChunk, StagedChunks
from ctexport_dagster.line import Line


def deliver_partition(
    line: Line,
    partition: str,
    destination: Destination,
    *,
    run_id: str,
    pace: Pace = USUAL_PACE,
    progress: Callable[[SendingProgress], None] = silent,
) -> DeliveryOutcome:
    """Delivers what `formatted_chunks` staged for one partition; sends nothing where all of it is there already.

    Raises:
        StagingMissing: `formatted_chunks` has not run for this partition, or the declaration was edited since.
        NamingError, DeliveryError, Busy: see core/delivery/protocol.py; nothing is half-visible, and a re-run goes on.
    """
    chunks = line.staged_chunks(partition)
    line.check_unedited(partition, chunks.resolved)
    plan = plan_from_staged(chunks.resolved.columns)
    names = run_names(line.export, line.cadence, line.window(partition), run_id)
    keys = _Keys(naming_of(line.export), names, chunks.chunks)
    check_collisions(keys.plain.values())
    folder = line.staging(partition).folder("chunks", chunks.attempt)
    request = DeliveryRequest(
        record=line.folders.deliveries(line.name) / partition,
        attempt=chunks.attempt,
        head=_head(line, partition, chunks, run_id=run_id),
        files=tuple(
            StagedFile(
                path=folder / chunk.file,
                key=keys.plain[chunk.file],
                rows=chunk.rows,
                bytes=chunk.bytes,
                sha256=chunk.sha256,
            )
            for chunk in chunks.chunks
        ),
        manifest_key=keys.manifest,
        renamed=keys.renamed,
        empty_file=empty_file_for(line.export, plan),
        on_rerun=line.export.on_rerun,
        parallel=pace.parallel,
        retries=pace.retries,
    )
    outcome = deliver(request, destination, progress=progress)
    line.sweep_staging(partition)
    return outcome


@dataclass(frozen=True)
class _Keys:
    """The keys of a partition's chunks, plain and renamed for a later generation."""

    naming: Naming
    names: RunNames
    chunks: tuple[StagedChunk, ...]

    @cached_property
    def plain(self) -> dict[str, str]:
        """The chunk's file → its key."""
        return {chunk.file: self._key(chunk, self.names) for chunk in self.chunks}

    def renamed(self, file: StagedFile, generation: int) -> str:
        return self._key(self._by_key[file.key], self.names.in_generation(generation))

    @cached_property
    def _by_key(self) -> dict[str, StagedChunk]:
        return {self.plain[chunk.file]: chunk for chunk in self.chunks}

    @cached_property
    def _events(self) -> Mapping[str, FileOfEvent]:
        return files_of_events(self.chunks)

    def _key(self, chunk: StagedChunk, names: RunNames) -> str:
        return self.naming.key(names, chunk.instance, chunk.index, self._events.get(chunk.file))

    def manifest(self, keys: Sequence[str], generation: int) -> str:
        return self.naming.manifest_key(keys, self.names, generation)


def _head(line: Line, partition: str, chunks: StagedChunks[ResolvedRows], *, run_id: str) -> ManifestHead:
    resolved = chunks.resolved
    plan = plan_from_staged(resolved.columns)
    return ManifestHead(
        export=line.name,
        export_id=line.export.effective_export_id,
        configuration_version=resolved.configuration_version,
        kind=line.export.kind,
        partition=partition,
        window=line.window(partition),
        run_id=run_id,
        mode=resolved.mode,
        format=line.export.format.model_dump(mode="json"),
        fingerprint=schema_fingerprint(line.export, plan),
        columns=columns_of(line.export, plan),
        rows=RowCounts(**resolved.rows.model_dump()),
        lake_version=resolved.lake_version,
        upstream_runs=tuple(dict.fromkeys((*resolved.upstream_runs, resolved.run_id, chunks.run_id))),
    )
