"""The names of a flow's files: datasets apart, Adobe's layout, and templates that lack what tells files apart."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.naming import dataset_naming, file_of
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.naming import NamingMistake
from ctexport_dagster.core.run_names import FileOfDataset, run_names

KOLKATA = Cadence(ZoneInfo("Asia/Kolkata"), 24, date(2026, 11, 1), None)
WINDOW = Interval(datetime(2026, 10, 31, 18, 30, tzinfo=UTC), datetime(2026, 11, 1, 18, 30, tzinfo=UTC))
ORDERS, CARTS = FileOfDataset("orders", "65f1-a2"), FileOfDataset("carts", "carts")


def export(*, name: str = "default", folder: str = "bucket_root", format_: object = "csv", of: str = "flow"):
    declared = {"owner": "a@example.com", "source": "crm", "destination": "acme_s3", "account_id": 1, "export_id": 7}
    files = {"name": name, "folder": folder}
    return DatasetExport.model_validate(
        {"name": of, "datasets": ["orders"], **declared, "format": format_, "files": files}
    )


def key(held: FileOfDataset = ORDERS, index: int = 0, **declared: object) -> str:
    flow = export(**declared)  # pyright: ignore[reportArgumentType]
    return dataset_naming(flow).key(run_names(flow, KOLKATA, WINDOW, "run"), 0, index, held)


@pytest.mark.req("A6", "P10")
def test_the_default_name_has_the_dataset_and_later_chunks_an_index() -> None:
    assert key() == "1-7-1793557800-orders-0.csv.gz"
    assert key(CARTS, 1) == "1-7-1793557800-carts-1-0.csv.gz"


@pytest.mark.req("A6")
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{Dataset-id}}", "65f1-a2"),
        ("{{Dataset-name}}", "orders"),
        ("{{Destination-name}}/x", "acme_s3/x"),
        ("exportTime={{Export-time}}", "exportTime=202611011830"),
        ("{{Year}}/{{Month}}/{{Day}}/{{Hour}}-{{Minute}}", "2026/11/02/00-00"),
        ("year={{year}}/{{Date}}", "year=2026/2026-11-02"),
    ],
)
def test_a_folders_variables_stand_for_the_dataset_the_destination_and_the_run_instant(
    template: str, expected: str
) -> None:
    assert key(folder=template).rpartition("/")[0] == expected


@pytest.mark.req("A6")
def test_a_slash_alone_is_no_folder() -> None:
    assert "/" not in key(folder="/")
    assert "/" not in key(folder="/", name="adobe")


@pytest.mark.req("A6")
@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("bucket_root", "rows", "rows-1793557800-orders-0.csv.gz"),
        ("{{Dataset-id}}", "rows", "65f1-a2/rows-1793557800-0.csv.gz"),
        ("t={{Export-time}}", "{{Dataset-name}}", "t=202611011830/orders-0.csv.gz"),
        ("data_type", "{{Dataset-id}}_{{Index}}", "datasets/65f1-a2_0-1793557800-0.csv.gz"),
    ],
)
def test_a_name_gets_what_neither_it_nor_the_folder_tells(folder: str, name: str, expected: str) -> None:
    assert key(folder=folder, name=name) == expected


@pytest.mark.req("A6", "A7")
@pytest.mark.parametrize(
    ("format_", "extension"),
    [
        ("json", "json.gz"),
        ("csv", "csv.gz"),
        ("xml", "xml.gz"),
        ("parquet", "parquet"),
        ({"type": "parquet", "compression": "gzip"}, "gz.parquet"),
        ({"type": "parquet", "compression": "gzip", "wrap": "gzip"}, "parquet.gz"),
    ],
)
def test_adobes_names_have_five_digits_unique_ones_and_adobes_extension(format_: object, extension: str) -> None:
    found = key(name="adobe", index=12, format_=format_)
    folder, _, name = found.rpartition("/")
    part, number, rest = name.split("-")
    unique, _, ending = rest.partition(".")
    assert (folder, part, number, len(unique), ending) == (
        "65f1-a2/exportTime=202611011830",
        "part",
        "00012",
        32,
        extension,
    )


@pytest.mark.req("A6", "B2")
def test_adobes_unique_digits_follow_from_export_dataset_and_partition_alone() -> None:
    assert key(name="adobe") == key(name="adobe")
    assert (
        len({key(held, name="adobe", folder="/", of=of) for held in (ORDERS, CARTS) for of in ("flow", "other")}) == 4
    )


def test_a_changed_file_of_a_write_once_bucket_gets_its_generation() -> None:
    flow = export(name="adobe")
    names = run_names(flow, KOLKATA, WINDOW, "run")
    first, second = (dataset_naming(flow).key(n, 0, 0, ORDERS) for n in (names, names.in_generation(2)))
    assert second == first.replace(".csv.gz", "-g2.csv.gz")


@pytest.mark.req("B1")
def test_the_manifest_lies_beside_the_data_and_is_called_after_its_dataset() -> None:
    flow = export(name="adobe")
    naming, names = dataset_naming(flow), run_names(flow, KOLKATA, WINDOW, "run")
    expected = "65f1-a2/exportTime=202611011830/flow-orders-2026-11-01-g3.manifest.json"
    assert naming.manifest_key([naming.key(names, 0, 0, ORDERS)], names, 3, ORDERS) == expected
    assert naming.manifest_key([], names, 3, ORDERS) == expected


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"folder": "{{Event-name}}"}, "no value in this kind of export"),
        ({"folder": "{{Part}}"}, "no value in this kind of export"),
        ({"folder": "a?b"}, "may not stand in a path"),
        ({"name": "a=b"}, "may not stand in a path"),
        ({"name": "{{Dataset-name}}{{Index}}"}, "put - between them"),
        ({"name": "Adobe"}, "did you mean adobe"),
        ({"folder": "bucket-root"}, "did you mean bucket_root"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_its_reason(declared: dict[str, str], message: str) -> None:
    with pytest.raises(NamingMistake, match=message):
        key(**declared)


def test_adobes_names_are_for_datasets_alone() -> None:
    declared = {"name": "p", "owner": "a@example.com", "source": "s", "destination": "d", "account_id": 1}
    profiles = Export.model_validate({**declared, "format": "csv", "files": {"name": "adobe"}})
    with pytest.raises(NamingMistake, match="adobe is for exports of datasets"):
        naming_of(profiles)


@pytest.mark.req("P5", "A6")
def test_profiles_have_the_macros_that_need_no_dataset() -> None:
    declared = {"name": "p", "owner": "a@example.com", "source": "s", "destination": "acme", "account_id": 1}
    files = {"folder": "{{Destination-name}}/{{Year}}{{Month}}/{{Export-time}}"}
    profiles = Export.model_validate({**declared, "format": "csv", "files": files})
    found = naming_of(profiles).key(run_names(profiles, KOLKATA, WINDOW, "run"), 0, 0)
    assert found.startswith("acme/202611/202611011830/")


names = st.from_regex(r"[A-Za-z0-9_]{1,6}", fullmatch=True)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
pieces = st.lists(
    st.sampled_from(["{{Dataset-name}}", "{{Dataset-id}}", "{{Index}}", "{{Date}}", "a", "-", "_", "0", "/"]),
    min_size=1,
    max_size=5,
)


@pytest.mark.req("A6", "P10")
@given(pieces, st.lists(st.tuples(names, ids), min_size=2, max_size=4, unique_by=(lambda p: p[0], lambda p: p[1])))
def test_no_two_files_of_a_flow_ever_get_one_key(template: list[str], datasets: list[tuple[str, str]]) -> None:
    flow = export(name="".join(template))
    try:
        naming = dataset_naming(flow)
    except NamingMistake:
        assume(False)
        return
    run = run_names(flow, KOLKATA, WINDOW, "run")
    keys = [naming.key(run, 0, index, FileOfDataset(*one)) for one in datasets for index in (0, 1, 2, 11, 111)]
    assert len(set(keys)) == len(keys)


def test_a_dataset_without_an_id_goes_by_its_name() -> None:
    assert (file_of("orders", DeclaredDataset()), file_of("orders", DeclaredDataset(id="x"))) == (
        FileOfDataset("orders", "orders"),
        FileOfDataset("orders", "x"),
    )
