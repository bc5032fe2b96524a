"""A declared file as plain values, each with the line on which it stands. What it may say is decided elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import yaml

from ctexport_dagster.core.errors import Mistake

FieldPath = tuple[str | int, ...]
Value = None | bool | int | float | str | bytes | date | list["Value"] | dict[str, "Value"]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader reads a hundred exports in the time that the other one takes for ten."""


@dataclass(frozen=True)
class Document:
    """One declared file: `file` is relative to the home, `lines` has the 1-based line of every field's key."""

    file: str
    content: dict[str, Value]
    lines: Mapping[FieldPath, int]

    def mistake(self, path: FieldPath, message: str) -> Mistake:
        """A mistake in this field; where the field itself isn't written, on the line of what surrounds it."""
        known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in self.lines)
        return Mistake(self.file, self.lines[known], dotted(path), message)

    def at(self, path: FieldPath) -> Value:
        """The value of a field that is written."""
        value: Value = self.content
        for part in path:
            match value, part:
                case dict(), str():
                    value = value[part]
                case list(), int():
                    value = value[part]
                case _:
                    raise KeyError(dotted(path))
        return value


def dotted(path: FieldPath) -> str:
    """`("identity", "order", 1)` → `identity.order[1]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_document(file: str, content: bytes) -> tuple[Document | None, list[Mistake]]:
    """The document, unless it can't be read at all, and every mistake of form in it."""
    try:
        text = content.decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        return None, [Mistake(file, line, "", "this is not UTF-8 text; save the file as UTF-8")]
    except yaml.YAMLError as problem:
        return None, [_unreadable(file, problem)]
    if not isinstance(node, yaml.MappingNode):
        return None, [
            Mistake(file, 0, "", "the file is empty" if node is None else "write keys and values, as key: value")
        ]
    reading = _Reading(file)
    value = reading.mapping(node, (), ())
    return Document(file, value, reading.lines), reading.mistakes


def _unreadable(file: str, problem: yaml.YAMLError) -> Mistake:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or "a character that may not stand in YAML"
    return Mistake(file, mark.line + 1 if mark else 0, "", f"not readable as YAML: {what}")


class _Reading:
    """Turns nodes into values, noting lines and mistakes on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[FieldPath, int] = {(): 1}
        self.mistakes: list[Mistake] = []
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: FieldPath, around: tuple[yaml.Node, ...]) -> Value:
        """`around` has the nodes that this one lies in: an alias may name one of them."""
        if node in around:
            self._refuse(node, path, "an alias may not name what it stands in")
            return None
        match node:
            case yaml.MappingNode():
                return self.mapping(node, path, around)
            case yaml.SequenceNode():
                return self._list(node, path, (*around, node))
            case _:
                return self._scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: FieldPath, around: tuple[yaml.Node, ...]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in found:
                self._refuse(key_node, here, f"stands here a second time; the first is on line {self.lines[here]}")
                continue
            self.lines[here] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, here, (*around, node))
        return found

    def _list(self, node: yaml.SequenceNode, path: FieldPath, around: tuple[yaml.Node, ...]) -> list[Value]:
        for number, item in enumerate(node.value):
            self.lines[*path, number] = item.start_mark.line + 1
        return [self.value(item, (*path, number), around) for number, item in enumerate(node.value)]

    def _key(self, node: yaml.Node, path: FieldPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(node, path, "a key must be a single word")
            return None
        if node.tag == "tag:yaml.org,2002:merge":
            self._refuse(node, (*path, "<<"), "merging mappings isn't supported; write the keys out")
            return None
        if node.tag != "tag:yaml.org,2002:str":
            self._refuse(node, (*path, node.value), f'YAML doesn\'t read this key as text; write it as "{node.value}"')
            return None
        return node.value

    def _scalar(self, node: yaml.Node, path: FieldPath) -> Value:
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            kind = node.tag.rpartition(":")[2]
            self._refuse(node, path, f"this isn't a valid {kind}; put text in quotes")
            return None

    def _refuse(self, node: yaml.Node, path: FieldPath, message: str) -> None:
        self.mistakes.append(Mistake(self.file, node.start_mark.line + 1, dotted(path), message))
