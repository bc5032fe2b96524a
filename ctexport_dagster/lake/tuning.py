"""The sizes that the lake works in: they bound memory and shape files, and never change what is read."""

from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True)
class Tuning:
    """Row and byte limits; whichever is reached first counts. Bytes are of decoded rows in memory."""

    slice_rows: int = 60_000
    slice_bytes: int = 16 * MB
    """A slice, the unit in which rows are held: 60 k rows of 25 columns are some 20 MB."""
    spill_bytes: int = 24 * MB
    """Rows that are gathered before they are spilled, bucket by bucket."""
    group_rows: int = 32_768
    group_bytes: int = 16 * MB
    """A row group of a base, or of a log that has nothing before it."""
    small_group_rows: int = 8_192
    small_group_bytes: int = 1 * MB
    """A row group of any other log: a read keeps one of each log open, of which there are up to `most_layers`."""
    file_rows: int = 400_000
    base_after_logs: int = 30
    base_after_share: float = 0.5
    """A base is worth its writing once more logs, or a larger share of rows, lie above the one below."""
    most_known_rows: int = 8_000_000
    """The largest state whose hashes are held in memory while a snapshot is compared with it, at 13 bytes a row."""
    most_layers: int = 40
    """A read of more layers first folds the oldest of them into one, in scratch."""

    def rows_of(self, row_bytes: int) -> int:
        """The rows of a slice, where a row takes so many bytes."""
        return max(1, min(self.slice_rows, self.slice_bytes // max(row_bytes, 1)))
