"""Of a source's batches, those that a preview needs: up to the first that has rows.

A text file's first batch has its columns alone, and a file's first rows may all be refused, or be none of the export's.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from ctexport_dagster.core.counted import counted

_SHOWN_REASONS = 3


def until_rows(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The frames up to the first one with rows, and that one; all of them where none has any."""
    for frame in frames:
        yield frame
        if frame.height:
            return


class RefusedSample:
    """What of the rows that a preview reads a run would refuse."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._kept = 0

    def kept(self, frame: pl.DataFrame, quarantined: pl.DataFrame) -> pl.DataFrame:
        """The rows that are kept, as they are, noted together with those (a quarantine frame) that aren't."""
        self._kept += frame.height
        self._frames.append(quarantined.select("reason", "field"))
        return frame

    @property
    def warnings(self) -> tuple[str, ...]:
        """How many rows, and for which reasons; nothing where none is refused."""
        refused = pl.concat(self._frames) if self._frames else pl.DataFrame()
        if refused.is_empty():
            return ()
        reasons = refused.group_by("reason", "field", maintain_order=True).len().sort("len", descending=True)
        told = [
            f"{count:,} {reason}{f' in {field}' if field else ''}"
            for reason, field, count in reasons.head(_SHOWN_REASONS).iter_rows()
        ]
        more = [f"{reasons.height - _SHOWN_REASONS} further reasons"] if reasons.height > _SHOWN_REASONS else []
        read = counted(self._kept + refused.height, "row")
        return (f"of {read} read for it, a run would refuse {refused.height:,}: {', '.join([*told, *more])}",)
