"""A table's schema as text, for JSON documents: every type of Polars comes back as it was.

It is the head of an Arrow IPC stream in base64, as Polars writes it; so it knows 128-bit integers too, which Arrow
itself doesn't. Equal schemas have equal texts.
"""

import base64
import io

import polars as pl
from polars.exceptions import PolarsError


def schema_text(schema: pl.Schema) -> str:
    """The schema as ASCII text."""
    stream = io.BytesIO()
    schema.to_frame().write_ipc_stream(stream)
    return base64.b64encode(stream.getvalue()).decode()


def schema_from_text(text: str) -> pl.Schema:
    """The schema that `schema_text` was given.

    Raises:
        ValueError: the text is no schema.
    """
    try:
        stream = io.BytesIO(base64.b64decode(text, validate=True))
        return pl.read_ipc_stream(stream).schema
    except (ValueError, PolarsError, OSError):
        raise ValueError("a text that is no schema of a table") from None
