"""The ids that live, in a few bits each: enough to tell for most ids that they are none of them."""

import numpy as np
import numpy.typing as npt
import polars as pl

_BITS_PER_ID = 16
_LEAST_BITS = 1 << 10
_SHIFTS = (0, 17, 34)
"""Each id sets a bit for each: of a million foreign ids some 5,000 are taken for living ones."""


class LivingIds:
    """A set of ids that forgets which: what it doesn't hold is none of them, what it holds is one, most likely."""

    def __init__(self, bits: npt.NDArray[np.uint8]) -> None:
        self.bits = bits
        self._mask = np.uint64(len(bits) * 8 - 1)

    @staticmethod
    def of_about(count: int) -> "LivingIds":
        """An empty set with room for so many ids."""
        size = max(_LEAST_BITS, 1 << (count * _BITS_PER_ID - 1).bit_length())
        return LivingIds(np.zeros(size // 8, dtype=np.uint8))

    def add(self, ids: pl.Series) -> None:
        hashes = _hashes(ids)
        for shift in _SHIFTS:
            np.bitwise_or.at(self.bits, *self._places(hashes, shift))

    def may_hold(self, ids: pl.Series) -> npt.NDArray[np.bool_]:
        """Which of these ids may live."""
        hashes = _hashes(ids)
        at = np.arange(len(hashes))
        for shift in _SHIFTS:
            places, bit = self._places(hashes[at], shift)
            at = at[(self.bits[places] & bit) != 0]
        found = np.zeros(len(hashes), dtype=bool)
        found[at] = True
        return found

    def listed(self, ids: pl.Series, lists: pl.Series) -> npt.NDArray[np.bool_]:
        """Which rows list another one that may live; `ids` and `lists` (of ids) are text, or bytes."""
        pairs = pl.DataFrame({"id": ids, "other": lists}).with_row_index("row").filter(pl.col("other").list.len() > 0)
        others = pairs.explode("other").filter(pl.col("other") != pl.col("id"))
        found = np.zeros(len(ids), dtype=bool)
        found[others["row"].to_numpy()[self.may_hold(others["other"])]] = True
        return found

    def _places(
        self, hashes: npt.NDArray[np.uint64], shift: int
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
        at = (hashes >> np.uint64(shift)) & self._mask
        return at >> np.uint64(3), np.left_shift(np.uint8(1), (at & np.uint64(7)).astype(np.uint8))


def _hashes(ids: pl.Series) -> npt.NDArray[np.uint64]:
    return ids.cast(pl.Binary).hash().to_numpy()
