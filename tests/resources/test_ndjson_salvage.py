"""The id out of a broken line: found where it stands beyond doubt, and nowhere else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.resources.files.ndjson_salvage import id_in_broken

SURE = {
    "cut off behind it": b'{"clevertapId":"c","plan":',
    "not UTF-8 before it": b'{"plan":"\xff","clevertapId" : "c" }',
    "not UTF-8 behind it": b'{"clevertapId":"c","plan":"\xff"}',
    "behind an object": b'{"device":{"token":"}"},"tags":["[",1],"clevertapId":"c","plan":NaN,,}',
    "with a key given twice": b'{"clevertapId":"c","plan":1,"plan":2}',
    "escaped": b'{"clevertapId":"\\u0063","plan":',
}
UNSURE = {
    "cut off within it": b'{"plan":1,"clevertapId":"c',
    "cut off right behind it": b'{"plan":1,"clevertapId":"c"',
    "given twice": b'{"clevertapId":"c","clevertapId":"d"}',
    "in two lines that ran into one": b'{"clevertapId":"c","pl{"clevertapId":"d","plan":1}',
    "behind a line that was cut off": b'{"plan":1{"clevertapId":"d","plan":1}',
    "behind an object that has ended": b'{"plan":1}{"clevertapId":"d"}',
    "in an object within": b'{"device":{"clevertapId":"c"},"plan":}',
    "in a list": b'{"tags":["clevertapId","c"],"plan":}',
    "a value": b'{"plan":"clevertapId","x":}',
    "in a text that was never closed": b'{"plan":"x,"clevertapId":"c","y":1}',
    "a number": b'{"clevertapId":1,"plan":',
    "blank": b'{"clevertapId":" ","plan":',
    "not UTF-8": b'{"clevertapId":"\xff","plan":',
    "half a character": b'{"clevertapId":"\\ud800","plan":',
    "no object": b'["clevertapId"]',
    "nothing": b"",
}


@pytest.mark.req("B6")
@pytest.mark.parametrize("line", SURE.values(), ids=SURE)
def test_an_id_that_stands_in_its_place_is_found(line: bytes) -> None:
    assert id_in_broken(line, "clevertapId") == "c"


@pytest.mark.req("B6")
@pytest.mark.parametrize("line", UNSURE.values(), ids=UNSURE)
def test_an_id_that_may_be_another_ones_is_not_taken(line: bytes) -> None:
    assert id_in_broken(line, "clevertapId") is None


@given(
    st.dictionaries(st.sampled_from(("a", "b", "user id", "ü")), st.text() | st.integers() | st.lists(st.text())),
    st.data(),
)
def test_wherever_a_line_is_cut_the_id_found_is_its_own_or_none(row: dict[str, object], data: st.DataObject) -> None:
    whole = json.dumps({**row, "user id": "me"}, ensure_ascii=data.draw(st.booleans())).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert id_in_broken(cut, "user id") in ("me", None)
