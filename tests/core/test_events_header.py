"""The line that names a file's events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.header import event_name_in, header_line

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n") | st.sampled_from("{}[]\" '\\"), max_size=20
).filter(str.strip)


@pytest.mark.req("L8")
@pytest.mark.parametrize("name", ["Charged", "App Launched", "é😀", "7", "true", 'Say "hi"'])
def test_a_name_is_written_bare(name: str) -> None:
    assert header_line(name) == f"{name}\n".encode()


@pytest.mark.parametrize(
    ("name", "line"),
    [("{x", b'"{x"'), ("[Promo] Sale", b'"[Promo] Sale"'), (" x ", b'" x "'), ('"x', b'"\\"x"'), ("{}", b'"{}"')],
)
def test_one_that_could_be_taken_for_something_else_is_a_json_string(name: str, line: bytes) -> None:
    assert header_line(name) == line + b"\n"


@given(NAMES)
def test_every_name_is_read_back_as_it_was_written(name: str) -> None:
    assert event_name_in(header_line(name)) == name


@pytest.mark.parametrize(
    ("line", "name"),
    [(b"[Promo] Sale\r\n", "[Promo] Sale"), (b'"x\n', '"x'), (b"{x\n", "{x"), (b" x \n", " x "), (b"7", "7")],
)
def test_bare_names_are_read_as_they_stand(line: bytes, name: str) -> None:
    assert event_name_in(line) == name


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"  \n",
        b"{}\n",
        b'{"ts":1',
        b'{ "ts":1',
        b"{",
        b'tail"}\n',
        b"\xff\n",
        b'"\\ud800"\n',
        b'" "\n',
        b"x" * 2_000,
    ],
)
def test_events_whole_or_broken_are_no_names(line: bytes) -> None:
    assert event_name_in(line) is None
