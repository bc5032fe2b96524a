"""What may not stand in a text as it is, and what stands for it, in JSON and in XML.

Nearly no value needs an escape, and replacing costs several times as much as looking: so a column is looked through
first, as one run of bytes, and only a column that holds something suspicious is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

_CONTROLS = [chr(code) for code in range(0x20)]


@dataclass(frozen=True)
class Escapes:
    """Replacements of single characters; a text without control characters and `suspicious` bytes needs none."""

    replacements: Mapping[str, str]
    suspicious: tuple[int, ...]

    @cached_property
    def _table(self) -> dict[int, str]:
        return {ord(character): escape for character, escape in self.replacements.items()}

    def text(self, text: str) -> str:
        """One text, escaped."""
        return text.translate(self._table)

    def column(self, texts: pl.Series) -> pl.Series:
        """A column of texts (String, or List(String) element by element), escaped; the name stays."""
        inner = texts if texts.dtype == pl.String else texts.drop_nulls().explode(empty_as_null=False)
        if not self._is_suspicious(inner):
            return texts
        if texts.dtype == pl.String:
            return self._replaced(texts)
        return texts.to_frame().select(pl.col(texts.name).list.eval(self._replacing(pl.element()))).to_series()

    def _replaced(self, texts: pl.Series) -> pl.Series:
        return texts.to_frame().select(self._replacing(pl.col(texts.name))).to_series()

    def _replacing(self, value: pl.Expr) -> pl.Expr:
        return value.str.replace_many(list(self.replacements), list(self.replacements.values()))

    def _is_suspicious(self, texts: pl.Series) -> bool:
        content = np.frombuffer(text_bytes(texts), np.uint8)
        return bool((content < len(_CONTROLS)).any() or any((content == byte).any() for byte in self.suspicious))


def text_bytes(texts: pl.Series) -> memoryview:
    """All texts of a String column, one after the other, as UTF-8."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, content = array.buffers()
    if content is None or offsets is None or not len(array):
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int64)
    return memoryview(content)[ends[array.offset] : ends[array.offset + len(array)]]


JSON = Escapes(
    {
        **{control: f"\\u{ord(control):04x}" for control in _CONTROLS},
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        '"': '\\"',
        "\\": "\\\\",
    },
    suspicious=(ord('"'), ord("\\")),
)
"""As RFC 8259 demands and no more: all scripts stand as they are. Source: REQUIREMENTS P27."""

XML = Escapes(
    {
        **{control: "?" for control in _CONTROLS if control not in "\t\n\r"},
        "\r": "&#13;",
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "\ufffe": "?",
        "\uffff": "?",
    },
    suspicious=(ord("&"), ord("<"), ord(">"), 0xEF),
)
"""XML 1.0 forbids most controls, U+FFFE and U+FFFF (0xEF begins their UTF-8): they become `?`. A carriage return is a
reference, since a reader would turn a bare one into a line feed. Source: REQUIREMENTS P28."""
