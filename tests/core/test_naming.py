"""Naming: every file's key, as the ledger's examples show them, and the laws that keep keys apart."""

import itertools
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctexport_dagster.core.errors import NamingError
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.naming import Naming, NamingMistake, check_collisions
from ctexport_dagster.core.run_names import RunNames, run_names

RUN_ID = "7c1b5b6e-0d3c-4b53-9f6e-0b8f5f0e6b11"
RUN = RunNames(100000000, 1761651721, 1793577600, date(2026, 11, 2), "2026-11-01", RUN_ID, destination="disk")


def export(folder: str = "bucket_root", name: str = "default", **more: object) -> Export:
    fields: dict[str, object] = {
        "name": "daily",
        "owner": "growth@example.com",
        "source": "demo",
        "destination": "disk",
        "account_id": 100000000,
        "export_id": 1761651721,
        "format": "csv",
        "files": {"folder": folder, "name": name},
    }
    return Export.model_validate(fields | more)


def key(
    folder: str = "bucket_root", name: str = "default", *, instance: int = 0, index: int = 0, **more: object
) -> str:
    return Naming.of(export(folder, name, **more)).key(RUN, instance, index)


def mistake(folder: str = "bucket_root", name: str = "default", **more: object) -> tuple[str, str]:
    with pytest.raises(NamingMistake) as caught:
        Naming.of(export(folder, name, **more))
    return caught.value.field, str(caught.value)


@pytest.mark.req("P7")
def test_the_default_name_is_account_export_timestamp_and_instance() -> None:
    assert key() == "100000000-1761651721-1793577600-0.csv.gz"


@pytest.mark.req("L7")
def test_the_legacy_name_ends_in_the_format_with_a_dash() -> None:
    assert key(name="clevertap_legacy", instance=3) == "100000000-1761651721-1793577600-3-csv.gz"


@pytest.mark.req("L7", "P10")
def test_the_legacy_name_has_the_index_before_the_instance() -> None:
    assert key(name="clevertap_legacy", instance=3, index=2) == "100000000-1761651721-1793577600-2-3-csv.gz"


@pytest.mark.req("L12")
def test_a_legacy_parquet_file_ends_in_parquet_gzip() -> None:
    assert key(name="clevertap_legacy", format="parquet") == "100000000-1761651721-1793577600-0.parquet.gzip"


@pytest.mark.req("P4")
@pytest.mark.parametrize(
    ("preset", "folder"),
    [("bucket_root", ""), ("data_type", "profile/"), ("run_date", "2026-11-02/"), ("export_id", "1761651721/")],
)
def test_a_folder_preset_gives_its_folder(preset: str, folder: str) -> None:
    assert key(preset) == f"{folder}100000000-1761651721-1793577600-0.csv.gz"


@pytest.mark.req("P6")
def test_a_custom_folder_is_rendered_segment_by_segment() -> None:
    assert key("{{date}}/run-{{export-id}}").startswith("2026-11-02/run-1761651721/100000000-")


@pytest.mark.req("P8")
def test_a_custom_name_gets_timestamp_and_instance_appended() -> None:
    assert key(name="profiles-{{date}}-{{export-id}}.csv.gz") == "profiles-2026-11-02-1761651721-1793577600-0.csv.gz"


@pytest.mark.req("P8")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p", "p-1793577600-4.csv.gz"),
        ("p-{{timestamp}}", "p-1793577600-4.csv.gz"),
        ("p-{{instance-id}}", "p-4-1793577600.csv.gz"),
        ("{{instance-id}}/{{timestamp}}", "4/1793577600.csv.gz"),
    ],
)
def test_only_what_a_name_lacks_is_appended(name: str, expected: str) -> None:
    assert key(name=name, instance=4) == expected


@pytest.mark.req("P10")
@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("default", "100000000-1761651721-1793577600-4", "100000000-1761651721-1793577600-1-4"),
        ("profiles", "profiles-1793577600-4", "profiles-1793577600-1-4"),
        ("p-{{Instance-id}}-x", "p-4-x-1793577600", "p-1-4-x-1793577600"),
        ("{{Instance-id}}/p", "4/p-1793577600", "4/p-1793577600-1"),
        ("a-{{Instance-id}}/p", "a-4/p-1793577600", "a-4/p-1793577600-1"),
        ("a-{{Instance-id}}/p-{{Instance-id}}", "a-4/p-4-1793577600", "a-4/p-1-4-1793577600"),
        ("p_{{Timestamp}}_{{Instance-id}}", "p_1793577600_4", "p_1793577600_4-1"),
        ("{{Date}}-{{Instance-id}}", "2026-11-02-4-1793577600", "2026-11-02-1-4-1793577600"),
        ("part{{Index}}", "part0-1793577600-4", "part1-1793577600-4"),
    ],
)
def test_the_index_stands_before_the_last_instance_or_at_the_end(name: str, first: str, second: str) -> None:
    keys = [key(name=name, instance=4, index=index) for index in (0, 1)]
    assert keys == [f"{first}.csv.gz", f"{second}.csv.gz"]


@pytest.mark.req("P10")
def test_an_index_in_the_folder_is_enough() -> None:
    assert [key("part-{{index}}", "p", index=i) for i in (0, 1)] == [
        "part-0/p-1793577600-0.csv.gz",
        "part-1/p-1793577600-0.csv.gz",
    ]


@pytest.mark.req("P5")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("Account-id", "100000000"),
        ("Export-id", "1761651721"),
        ("Timestamp", "1793577600"),
        ("Instance-id", "7"),
        ("Date", "2026-11-02"),
        ("Partition", "2026-11-01"),
        ("Run-id", RUN_ID),
        ("Index", "0"),
    ],
)
def test_every_variable_has_its_value(variable: str, value: str) -> None:
    assert key(f"x-{{{{{variable}}}}}", instance=7).split("/")[0] == f"x-{value}"


@pytest.mark.req("P11")
@pytest.mark.parametrize(
    ("declared", "extension"),
    [
        ("csv", ".csv.gz"),
        ("json", ".json.gz"),
        ("xml", ".xml.gz"),
        ("parquet", ".parquet"),
        ({"type": "parquet", "wrap": "gzip"}, ".parquet.gz"),
    ],
)
def test_a_key_ends_in_its_formats_extension(declared: object, extension: str) -> None:
    assert key(name="p", format=declared) == f"p-1793577600-0{extension}"


@pytest.mark.req("P5")
def test_a_name_may_end_in_its_own_extension_alone() -> None:
    assert mistake(name="a/p.json.gz") == (
        "files.name",
        "files of this export end in .csv.gz; leave .json.gz out (at character 4)",
    )


@pytest.mark.req("P5")
@pytest.mark.parametrize(
    ("folder", "name", "field", "part"),
    [
        ("/a", "default", "files.folder", "empty folder name"),
        ("a/../b", "default", "files.folder", ".."),
        ("bucket_root", "{{nobody}}", "files.name", "unknown variable"),
        ("bucket_root", "{{event-name}}", "files.name", "no value in this kind"),
        ("Run-Date", "default", "files.folder", "did you mean run_date?"),
        ("custom", "default", "files.folder", "write the template itself"),
        ("bucket_root", "defualt", "files.name", "did you mean default?"),
    ],
)
def test_a_template_that_cannot_be_used_names_its_field(folder: str, name: str, field: str, part: str) -> None:
    found_field, message = mistake(folder, name)
    assert (found_field, part in message) == (field, True)


@pytest.mark.req("P10")
def test_numbers_that_run_into_each_other_are_refused() -> None:
    assert mistake(name="{{instance-id}}{{index}}") == (
        "files.name",
        "{{Instance-id}} runs into the number after it, so that two files could get one name; put - between them",
    )


@pytest.mark.req("P9")
def test_the_run_id_brings_a_warning_for_the_plan() -> None:
    warnings = Naming.of(export("{{run-id}}")).warnings
    assert (len(warnings), "{{Run-id}}" in warnings[0]) == (1, True)


def test_names_without_a_run_id_bring_no_warning() -> None:
    assert Naming.of(export()).warnings == ()


def test_a_changed_file_of_a_later_generation_says_so_before_the_extension() -> None:
    assert Naming.of(export()).key(RUN.in_generation(2), 0, 1) == "100000000-1761651721-1793577600-1-0-g2.csv.gz"


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a.csv.gz", "b.csv.gz"], ""),
        (["x/y/a.csv.gz", "x/y/b.csv.gz"], "x/y/"),
        (["x/1/a.csv.gz", "x/12/a.csv.gz"], "x/"),
        (["x/1/a.csv.gz"], "x/1/"),
        (["x/a.csv.gz", "x/y/b.csv.gz"], "x/"),
    ],
)
def test_the_manifest_lies_in_the_deepest_folder_that_all_keys_share(keys: list[str], expected: str) -> None:
    assert Naming.of(export()).manifest_key(keys, RUN, 2) == f"{expected}daily-2026-11-01-g2.manifest.json"


@pytest.mark.req("B1")
def test_the_manifest_of_an_empty_day_lies_in_the_rendered_folder() -> None:
    naming = Naming.of(export("{{date}}/run", "x/{{instance-id}}/p"))
    assert naming.manifest_key([], RUN, 1) == "2026-11-02/run/x/daily-2026-11-01-g1.manifest.json"


def test_the_manifest_prefix_stands_before_its_name() -> None:
    naming = Naming.of(export("run_date", files={"folder": "run_date", "manifest_prefix": "_"}))
    assert naming.manifest_key([], RUN, 1) == "2026-11-02/_daily-2026-11-01-g1.manifest.json"


@pytest.mark.req("P9")
def test_a_daily_runs_names_follow_from_its_window_and_time_of_day() -> None:
    cadence = Cadence(ZoneInfo("UTC"), 24, date(2026, 11, 1))
    assert run_names(export(), cadence, cadence.window_of("2026-11-01"), RUN_ID) == RUN


@pytest.mark.req("P9")
def test_the_date_is_the_run_instants_day_in_the_exports_zone() -> None:
    cadence = Cadence(ZoneInfo("Asia/Kolkata"), 24, date(2026, 11, 1))
    names = run_names(export(schedule={"at": "02:00"}), cadence, cadence.window_of("2026-11-01"), RUN_ID)
    assert (names.date, names.timestamp) == (
        date(2026, 11, 2),
        int(datetime(2026, 11, 1, 20, 30, tzinfo=UTC).timestamp()),
    )


@pytest.mark.req("P9", "P32")
def test_an_hourly_partitions_key_stands_in_paths_as_it_is() -> None:
    cadence = Cadence(ZoneInfo("UTC"), 6, date(2026, 11, 1))
    names = run_names(export(), cadence, cadence.window_of("2026-11-01T0600Z"), RUN_ID)
    assert Naming.of(export("{{partition}}")).key(names, 0, 0).split("/")[0] == "2026-11-01T0600Z"


@pytest.mark.req("P10")
def test_a_key_twice_in_one_run_is_an_error() -> None:
    with pytest.raises(NamingError, match="1 key would be written twice, the first is b"):
        check_collisions(["a", "b", "b"])


def test_keys_that_differ_are_no_collision() -> None:
    assert check_collisions(["a", "b"]) is None


def test_two_exports_have_one_shape_exactly_when_their_keys_would_be_equal() -> None:
    shapes = [
        Naming.of(export(name=name)).shape(1, export_id)
        for name, export_id in [("default", 5), ("{{account-id}}-5", 5), ("default", 6)]
    ]
    assert (shapes[0] == shapes[1], shapes[0] == shapes[2]) == (True, False)


VARIABLES = ["Account-id", "Export-id", "Timestamp", "Instance-id", "Date", "Partition", "Run-id", "Index"]
PIECES = st.one_of(
    st.sampled_from([f"{{{{{name}}}}}" for name in VARIABLES]),
    st.text(alphabet="ag12-_/", min_size=1, max_size=3),
    st.sampled_from(["-g2", "-", "/", "-1"]),
)
TEMPLATES = st.lists(PIECES, min_size=1, max_size=6).map("".join)
CADENCES = st.builds(
    Cadence,
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]).map(ZoneInfo),
    st.sampled_from([3, 6, 12, 24]),
    st.just(date(2026, 10, 20)),
)
NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, 1200))


def naming_of(folder: str, name: str) -> Naming:
    """The naming of two templates, where they make one."""
    try:
        return Naming.of(export(folder, name))
    except NamingMistake:
        assume(False)
        raise


def names_of(cadence: Cadence, windows: list[Interval], at: time) -> list[RunNames]:
    declared = export(schedule={"at": at.strftime("%H:%M")})
    return [run_names(declared, cadence, window, RUN_ID) for window in windows]


FILES = list(itertools.product((0, 1, 2, 11, 12, 111), repeat=2))
"""Instances and indexes whose digits can be split in several ways."""


@pytest.mark.req("P5", "P10")
@given(st.sampled_from(["bucket_root", "run_date", "{{Index}}", "a/{{Instance-id}}"]), TEMPLATES, CADENCES)
def test_no_two_files_of_an_export_get_one_key(folder: str, name: str, cadence: Cadence) -> None:
    naming = naming_of(folder, name)
    windows = list(cadence.windows(datetime(2026, 10, 28, tzinfo=UTC)))
    runs = names_of(cadence, windows[::9], time(2, 30))
    keys = [naming.key(run.in_generation(g), *file) for run in runs for g in (None, 2, 12) for file in FILES]
    assert len(set(keys)) == len(keys)


SMALL_PIECES = ["{{Instance-id}}", "{{Index}}", "{{Timestamp}}", "1", "-", "-g2", "/"]


@pytest.mark.req("P5", "P10")
@pytest.mark.parametrize("first", SMALL_PIECES)
def test_no_template_of_three_pieces_gives_two_files_one_key(first: str) -> None:
    colliding = []
    for rest in itertools.product(["", *SMALL_PIECES], repeat=2):
        try:
            naming = Naming.of(export(name=first + "".join(rest)))
        except NamingMistake:
            continue
        keys = [naming.key(RUN.in_generation(g), *file) for g in (None, 2) for file in FILES]
        if len(set(keys)) < len(keys):
            colliding.append(first + "".join(rest))
    assert colliding == []


@pytest.mark.req("P5", "P32")
@given(TEMPLATES, TEMPLATES, NUMBERS, NUMBERS, st.text())
def test_no_key_leaves_its_root(folder: str, name: str, instance: int, index: int, run_id: str) -> None:
    found = naming_of(folder, name).key(replace(RUN, run_id=run_id), instance, index)
    segments = found.split("/")
    assert [s for s in segments if s in ("", ".", "..")] == []


@pytest.mark.req("P9")
@given(TEMPLATES, TEMPLATES, NUMBERS, NUMBERS)
def test_a_rerun_gives_the_same_key(folder: str, name: str, instance: int, index: int) -> None:
    keys = [Naming.of(naming_export).key(RUN, instance, index) for naming_export in twice(folder, name)]
    assert keys[0] == keys[1]


@pytest.mark.req("P5")
@given(TEMPLATES, TEMPLATES, NUMBERS, NUMBERS)
def test_keys_hold_no_character_that_templates_may_not(folder: str, name: str, instance: int, index: int) -> None:
    found = naming_of(folder, name).key(RUN, instance, index)
    assert re.fullmatch(r"[A-Za-z0-9/_-]+\.csv\.gz", found) is not None


def twice(folder: str, name: str) -> list[Export]:
    naming_of(folder, name)
    return [export(folder, name), export(folder, name)]
