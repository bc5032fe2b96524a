"""Paths with variables: which files a source's template means for a partition, and what their names say."""

import glob
import re
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, get_args

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.storage import bucket_url, is_url

FileFormat: TypeAlias = Literal["parquet", "ndjson", "csv"]

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PIECE = re.compile(r"(\{\{\s*[^{}]*?\s*\}\}|\*\*/|\*|\?|\[!?[^\]]+\])")
_PARTITION, _EVENT_NAME = "partition", "event-name"
_EXTENSIONS: dict[str, FileFormat] = {
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
}


def checked_template(template: str, *, may_name_events: bool) -> str:
    """The template, if its variables are `{{Partition}}` and, of events, `{{Event-name}}`.

    Raises:
        ValueError: one is unknown, or none stands for the partition; or it is a URL, and none of a bucket's.
    """
    _refuse_misplaced(template)
    _refuse_unknown(template, {_PARTITION, _EVENT_NAME} if may_name_events else {_PARTITION})
    if not names_the_partition(template):
        raise ValueError("write {{Partition}} where the partition's key stands, as in data/{{Partition}}.parquet")
    return template


def checked_dataset_template(template: str) -> str:
    """The template, if `{{Partition}}` is the only variable that it has.

    Raises:
        ValueError: another one is there; or it is a URL, and none of a bucket's.
    """
    _refuse_misplaced(template)
    _refuse_unknown(template, {_PARTITION})
    return template


def names_the_partition(template: str) -> bool:
    """Whether a partition has files of its own."""
    return _PARTITION in (name.lower() for name in _VARIABLE.findall(template))


def _refuse_misplaced(template: str) -> None:
    if is_url(template):
        bucket_url(template)


def _refuse_unknown(template: str, allowed: set[str]) -> None:
    unknown = [name for name in _VARIABLE.findall(template) if name.lower() not in allowed]
    if unknown:
        several = len(allowed) > 1
        known = "{{Partition}} and {{Event-name}} are" if several else "{{Partition}} is"
        only = "the only ones" if several else "the only one"
        raise ValueError(f"{{{{{unknown[0]}}}}} is no variable of a source's path; {known} {only}")


def pattern_of(template: str, partition: str, home_root: Path) -> str:
    """The glob pattern of a partition's files; the name of an event stands for any text within one segment."""
    path = with_partition(template, partition)
    return path if Path(path).is_absolute() else f"{glob.escape(str(home_root))}/{path}"


def with_partition(template: str, partition: str) -> str:
    """The template as a glob pattern."""
    stand_ins = {_PARTITION: glob.escape(partition), _EVENT_NAME: "*"}
    return _VARIABLE.sub(lambda variable: stand_ins[variable[1].lower()], template)


def key_expression(pattern: str) -> re.Pattern[str]:
    """A glob pattern as a regular expression for keys in buckets; wildcards match no name that begins with a dot."""
    found = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern):
        at_start = not found or found.endswith("/")
        match piece:
            case "**/":
                found += r"(?:(?!\.)[^/]+/)*"
            case "**":
                found += r"(?:(?!\.)[^/]+(?:/|$))*"
            case "*" | "?":
                found += (r"(?!\.)" if at_start else "") + ("[^/]*" if piece == "*" else "[^/]")
            case _ if piece.startswith("[") and piece.endswith("]"):
                found += "[^" + piece[2:] if piece.startswith("[!") else piece
            case _:
                found += re.escape(piece)
    return re.compile(found, re.DOTALL)


def without_wildcards(pattern: str) -> str:
    """The folder before the first wildcard, with its slash; empty for the top."""
    folder, slash, _ = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")
    return folder + slash


def files_of(pattern: str) -> list[Path]:
    """The files that match, in the order of their names."""
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    return [path for path in found if path.is_file()]


def folder_of(template: str, home_root: Path) -> Path:
    """The folder before the first variable or wildcard."""
    fixed = re.split(r"\{\{|[*?\[]", template, maxsplit=1)[0]
    return (home_root / fixed).parent if not fixed.endswith("/") else home_root / fixed


def event_name_of(template: str, partition: str, name: str) -> str | None:
    """What stands in a file's path at `{{Event-name}}`; None where the template has none."""
    if _EVENT_NAME not in (name.lower() for name in _VARIABLE.findall(template)):
        return None
    pieces = [piece for piece in _PIECE.split(template) if piece]
    matched = re.fullmatch("(?:.*/)?" + "".join(_expression(piece, partition) for piece in pieces), name)
    return matched["event"] if matched else None


def format_of(name: str, source: str) -> FileFormat:
    """A file's format by its extension, `.gz` aside.

    Raises:
        SourceUnreadable: it has none that is known.
    """
    plain = name.removesuffix(".gz").removesuffix(".gzip")
    known = _EXTENSIONS.get(PurePosixPath(plain).suffix.lower())
    if known is None:
        raise SourceUnreadable(
            f"Reading {name}",
            f"its name ends in none of {', '.join(_EXTENSIONS)}",
            f"Write `format:` into the declaration of {source}: {', '.join(get_args(FileFormat))}.",
        )
    return known


def _expression(piece: str, partition: str) -> str:
    """A piece of a template as a regular expression."""
    if variable := _VARIABLE.fullmatch(piece):
        return re.escape(partition) if variable[1].lower() == _PARTITION else "(?P<event>[^/]+?)"
    if piece.startswith("["):
        return "[^" + piece[2:] if piece.startswith("[!") else piece
    return {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
