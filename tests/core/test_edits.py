"""Edits of a declaration: what differs from the one that last ran, and what is refused."""

import json

import pytest

from ctexport_dagster.core.edits import Edit, edits, kind_of, kind_refusal, read, refusal, written
from ctexport_dagster.core.export import Export


def export(**declared: object) -> Export:
    least = {"owner": "a@b.co", "source": "crm", "destination": "disk", "account_id": 1, "format": "csv"}
    return Export.model_validate({**least, **declared, "name": "daily"})


@pytest.mark.req("S8")
def test_an_edit_names_the_setting_and_both_values() -> None:
    edited = export(format="json", columns={"order": ["Email"]}, schedule={"every": "once", "start": "2026-03-01"})
    assert edits(export(), edited) == (
        Edit("format.type", '"csv"', '"json"'),
        Edit("schedule.every", "null", '"once"'),
        Edit("schedule.start", "null", '"2026-03-01"'),
        Edit("columns.order", "[]", '["Email"]'),
    )


def test_a_renamed_column_that_stood_in_no_mapping_before_is_shown() -> None:
    shown = [str(edit) for edit in edits(export(), export(columns={"rename": {"Email": "mail"}}))]
    assert shown == ["columns.rename: {} → (nothing)", 'columns.rename.Email: (nothing) → "mail"']


def test_the_same_declaration_has_no_edits() -> None:
    assert edits(export(), export()) == ()


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"every": "6h", "at": "00:20"},
        {"every": "once", "start": "2026-03-01", "range": {"from": "2026-02-01", "to": "2026-02-03"}},
    ],
)
def test_what_was_written_reads_back_as_it_was(schedule: dict[str, object]) -> None:
    declared = export(schedule=schedule, files={"chunk_size": "5 MB"})
    assert read(written(declared), export()) == declared


def test_a_setting_that_the_program_did_not_know_when_it_last_ran_is_no_edit() -> None:
    old = json.loads(written(export()))
    del old["schedule"]["range"]
    before = read(json.dumps(old), export())
    assert before
    assert edits(before, export()) == ()


def test_what_another_kind_declared_is_not_read_but_its_kind_is_known() -> None:
    other = json.dumps({**json.loads(written(export())), "kind": "events"})
    assert (read(other, export()), kind_of(other)) == (None, "events")


@pytest.mark.req("S8")
def test_a_recurring_export_may_be_edited() -> None:
    assert refusal(export(), export(format="json"), is_done=False, is_final=False) is None


@pytest.mark.req("S8")
def test_what_is_done_may_not_be_edited() -> None:
    once = export(schedule={"every": "once", "start": "2026-03-01"})
    reason = refusal(once, export(format="json"), is_done=True, is_final=False)
    assert reason
    assert reason.startswith("a one-time export that is Done can't be edited (edited: format.type, ")
    ended = export(schedule={"end": "2026-03-01"})
    assert (refusal(ended, export(), is_done=True, is_final=False) or "").startswith("an export that has ended")
    assert refusal(once, once, is_done=True, is_final=False) is None


@pytest.mark.req("P35")
def test_the_guard_refuses_every_edit() -> None:
    reason = refusal(export(), export(owner="b@b.co"), is_done=False, is_final=True)
    assert reason == "settings.yaml makes exports final after their first run (edited: owner); undo the edit"


@pytest.mark.req("S8")
def test_a_kind_never_changes() -> None:
    assert kind_refusal("profiles", "profiles") is None
    assert kind_refusal("events", "profiles") == (
        "its kind was events and can't become profiles; undo the edit, and declare a new export"
    )
