"""The faults that each kind of destination must bear, as docs/destinations/faults.md lists them for people."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TABLE = Path(__file__).parents[2] / "docs/destinations/faults.md"


def faults_of(kinds: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Kind → the names of its faults → their class, in the document's order."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    for name, kind, whose in _cells(TABLE.read_text(encoding="utf-8").splitlines()):
        assert name not in found[kind], f"{name} stands twice in {TABLE.name}"
        found[kind][name] = whose
    return found


def _cells(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Name, kind and class; a table's first line names its kinds."""
    kinds: list[str] = []
    for line in lines:
        if not line.startswith("|") or line.startswith("|---"):
            continue
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if first == "what goes wrong":
            kinds = [cell.strip("`") for cell in cells]
        else:
            yield from ((first, kind, whose) for kind, whose in zip(kinds, cells, strict=True) if whose)
