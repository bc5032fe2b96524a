"""A declared file as text: its keys in the order given, beside each what its model says of it."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import yaml
from pydantic import BaseModel

from ctexport_dagster.declarations.messages import model_at
from ctexport_dagster.declarations.yaml import Value

_COLUMN = 36
_VARIABLE = "the environment variable that holds it"
_CLOCK = r"\d\d:\d\d"
_WIDTH = 120


def written(head: Sequence[str], content: Mapping[str, Value], model: type[BaseModel]) -> str:
    """A file that `model` reads as `content`; `head` are the comment lines that it begins with, without their `#`."""
    return "\n".join([*(f"# {line}" for line in head), *_lines(content, model, "")]) + "\n"


def flow(value: Value) -> str:
    """A value on one line, as YAML writes it."""
    if isinstance(value, str) and re.fullmatch(_CLOCK, value):
        return f'"{value}"'  # some readers take a bare 02:00 for a number of minutes
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000_000, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _lines(content: Mapping[str, Value], model: type[BaseModel], indent: str) -> Iterator[str]:
    for key, value in content.items():
        inner = model_at(model, (key,))
        if inner and isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _lines(value, inner, indent + "  ")
        else:
            comment = _comment(model, key) or (_VARIABLE if isinstance(value, dict) and value.keys() == {"env"} else "")
            yield from _commented(f"{indent}{flow(key)}: {flow(value)}", comment, indent)


def _commented(text: str, comment: str, indent: str) -> list[str]:
    if not comment:
        return [text]
    beside = f"{text:<{_COLUMN - 2}}  # {comment}"
    if len(beside) <= _WIDTH:
        return [beside]
    return [*textwrap.wrap(comment, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "), text]


def _comment(model: type[BaseModel], key: str) -> str:
    """What the model says of a field; of one that may be written as its type alone, what it says of the type."""
    field, inner = model.model_fields.get(key), model_at(model, (key,))
    if field and not field.description and inner:
        return _comment(inner, "type")
    return " ".join((field.description or "").split()).removesuffix(".") if field else ""
