"""What is wrong with a declared file, in plain words: every error of its model as a Mistake with line and field."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ctexport_dagster.core.errors import Mistake
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.declarations.yaml import Document, FieldPath, Value

_PLAIN = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list, as [a, b]",
    "list_type": "must be a list, as [a, b]",
    "dict_type": "must hold keys and values, as key: value",
    "model_type": "must hold keys and values, as key: value",
    "string_too_short": "must not be empty",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


_TYPES_ELSEWHERE = {
    "int": "integer",
    "int32": "integer",
    "int64": "integer",
    "number": "float64",
    "float": "float64",
    "double": "float64",
    "bool": "boolean",
    "text": "string",
    "varchar": "string",
    "datetime": "timestamp",
}
"""What other programs call the types of `types:`, where the nearest spelling would be another type."""


def mistakes_in(document: Document, error: ValidationError, model: type[BaseModel]) -> Iterator[Mistake]:
    """One mistake for each field that `model` refused, the branches of a choice taken together."""
    by_field: dict[FieldPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_input=False):
        by_field.setdefault(_path_of(document, details), []).append(details)
    for path, errors in by_field.items():
        if not _is_explained_further_down(path, errors, by_field):
            yield document.mistake(path, _message(document, path, errors, model))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean csv?`, or nothing where no known word is close."""
    close = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _path_of(document: Document, details: ErrorDetails) -> FieldPath:
    """The field as the file writes it: pydantic's location also names the branches of a choice."""
    path: FieldPath = ()
    for part in details["loc"]:
        if (*path, part) in document.lines:
            path = (*path, part)
    return (*path, details["loc"][-1]) if details["type"] == "missing" else path


def _is_explained_further_down(path: FieldPath, errors: Sequence[ErrorDetails], all_paths: Iterable[FieldPath]) -> bool:
    """Whether these are the branches of a choice that don't fit at all, beside one that nearly does."""
    is_choice = all(details["loc"] != path and details["type"] != "missing" for details in errors)
    return is_choice and any(other[: len(path)] == path and len(other) > len(path) for other in all_paths)


def _message(document: Document, path: FieldPath, errors: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    first = next((e for e in errors if e["type"] in ("literal_error", "enum")), errors[0])
    match first["type"]:
        case "missing":
            return _missing(path, model)
        case "extra_forbidden":
            return _unknown_key(path, model)
        case _ if path and document.at(path) is None:
            return "is empty; write a value, or leave the key out"
        case "literal_error" | "enum":
            takes_a_list = any(details["type"] in ("tuple_type", "list_type") for details in errors)
            return _none_of(document.at(path), _expected(first)) + (", or a list" if takes_a_list else "")
        case "value_error":
            return str(first.get("ctx", {}).get("error", first["msg"]))
        case "string_type":
            return _no_text(document.at(path))
        case _:
            plain = _PLAIN.get(first["type"], first["msg"].replace("Input should be", "must be"))
            return plain.format(**first.get("ctx", {})) if first["type"] in _PLAIN else plain


def _missing(path: FieldPath, model: type[BaseModel]) -> str:
    surrounding = model_at(model, path[:-1])
    field = surrounding.model_fields.get(str(path[-1])) if surrounding else None
    return f"is missing: {field.description}" if field and field.description else "is missing"


def _unknown_key(path: FieldPath, model: type[BaseModel]) -> str:
    surrounding, key = model_at(model, path[:-1]), str(path[-1])
    if surrounding is None:
        return "unknown key"
    known = [name for name in surrounding.model_fields if len(path) > 1 or name != "name"]
    if suggestion := did_you_mean(key, known):
        return f"unknown key{suggestion}"
    for name in known:
        inner = model_at(surrounding, (name,))
        if inner and key in inner.model_fields:
            return f"unknown key here; it belongs under {name}"
    return f"unknown key; the keys here are {', '.join(known)}"


def model_at(model: type[BaseModel], path: FieldPath) -> type[BaseModel] | None:
    """The model that describes a field; None for a list, and for a mapping of names to anything but models."""
    parts = iter(path)
    for part in parts:
        field = model.model_fields.get(str(part))
        inner = next(_models(field.annotation), None) if field else None
        is_named = field is not None and get_origin(field.annotation) is dict
        if inner is None or (is_named and next(parts, None) is None):
            return None
        model = inner
    return model


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models within a field's type, outermost first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _expected(details: ErrorDetails) -> list[str]:
    text = str(details.get("ctx", {}).get("expected", ""))
    return [quoted or number for quoted, number in re.findall(r"'([^']*)'|(\d+)", text)]


def _none_of(value: Value, choices: Sequence[str]) -> str:
    offered = [choice for choice in choices if choice != ValueType.UNKNOWN]  # nobody declares that he doesn't know
    listed = ", ".join(choice or '""' for choice in offered)
    must = f"must be one of {listed}" if len(offered) > 1 else f"must be {listed}"
    if ValueType.INTEGER in offered and (meant := _TYPES_ELSEWHERE.get(str(value).lower())):
        return f"{must}; did you mean {meant}?"
    return must + did_you_mean(value, offered)


def _no_text(value: Value) -> str:
    is_scalar = not isinstance(value, list | dict)
    return "must be text: put it in quotes" if is_scalar else "must be text, not a list or mapping"
