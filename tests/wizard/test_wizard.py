"""Between the questions of `ctexport new`: what lies there, what its columns probably are, and text from answers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.export import Export
from ctexport_dagster.declarations.writing import written
from ctexport_dagster.declarations.yaml import Value, read_document
from ctexport_dagster.wizard.kinds import is_variable_name
from ctexport_dagster.wizard.looking import likely_columns, partitions_found

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"))
CONTENT = st.fixed_dictionaries(
    {
        "description": TEXT,
        "account_id": st.integers(0, 10**12),
        "files": st.fixed_dictionaries({"folder": TEXT}),
        "identity": st.fixed_dictionaries({"order": st.lists(TEXT), "all_identities": st.booleans()}),
        "columns": st.fixed_dictionaries({"rename": st.dictionaries(TEXT, TEXT, min_size=1)}),
        "schedule": st.fixed_dictionaries({"start": st.dates(), "at": st.times().map(lambda at: f"{at:%H:%M}")}),
    }
)


@given(CONTENT)
def test_what_is_written_is_read_back(content: dict[str, Value]) -> None:
    document, mistakes = read_document("new", written(["A heading"], content, Export).encode())
    assert mistakes == []
    assert document is not None
    assert document.content == content


@pytest.mark.parametrize(
    ("template", "keys"),
    [
        ("data/{{Partition}}/*.parquet", ["2026-11-18", "2026-11-20"]),
        ("data/{{partition}}.csv", ["2026-11-19"]),
        ("data/*-{{ Partition }}.csv", ["2026-11-21"]),
        ("data/**/{{Partition}}/p.parquet", ["2026-11-18", "2026-11-20"]),
        ("data/{{Partition}}/{{Partition}}.json", ["2026-11-20"]),
        ("data/{{Partition}}.ndjson", ["2026-11-18T0600Z"]),
        ("none/{{Partition}}.csv", []),
    ],
)
def test_the_partitions_whose_files_lie_there_are_found(tmp_path: Path, template: str, keys: list[str]) -> None:
    files = ("2026-11-20/p.parquet", "2026-11-18/p.parquet", "2026-11-19.csv", "a-2026-11-21.csv", "b.csv")
    for file in (*files, "2026-11-20/2026-11-20.json", "2026-11-20/2026-11-18.json", "2026-11-18T0600Z.ndjson"):
        (tmp_path / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / file).touch()
    assert partitions_found(tmp_path, template) == keys
    assert partitions_found(tmp_path / "elsewhere", f"{tmp_path}/{template}") == keys


@pytest.mark.parametrize(
    ("columns", "likely"),
    [
        (["user_id", "mail", "plan"], {"clevertapId": "user_id", "Email": "mail"}),
        (["clevertapId", "Email", "id"], {}),
        (["ID", "MOBILE", "Full_Name"], {"clevertapId": "ID", "Phone": "MOBILE", "Name": "Full_Name"}),
        (["plan"], {}),
    ],
)
def test_likely_columns_are_told_by_their_names(columns: list[str], likely: dict[str, str]) -> None:
    assert likely_columns(columns) == likely


@pytest.mark.parametrize(
    ("text", "is_name"),
    [("ACME_KEY", True), ("_A1", True), ("AKIAIOSFODNN7EXAMPLE", False), ("p4ss", False), ("A B", False), ("", False)],
)
def test_a_secret_is_not_taken_for_the_name_of_its_variable(text: str, is_name: bool) -> None:
    assert is_variable_name(text) == is_name
