"""Flows of datasets as they are declared: what of their sources they must agree with, told with file, line and cure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from dataset_home import TablesDeclaration
from test_home import VaultDestination, write

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.home import load_home
from ctexport_dagster.resources.registry import ResourceKind


class OwnTables(TablesDeclaration):
    """Tables, of a source that may have no profiles."""


class OwnVault(VaultDestination):
    type: Literal["vault"]


KINDS = {
    "tables": ResourceKind("source", __name__, "OwnTables"),
    "vault": ResourceKind("destination", __name__, "OwnVault"),
}
SOURCE = """\
type: tables
start: 2026-11-01
datasets:
  orders: {id: same, timestamp: at}
  carts: {id: same}
  products: {holds: all}
"""
FLOW = """\
kind: datasets
owner: growth@example.com
source: shop
destination: vault
account_id: 1
format: parquet
datasets: [orders]
"""
FILES = {"resources/shop.yaml": SOURCE, "resources/vault.yaml": "type: vault\n"}


def load(root: Path, files: Mapping[str, str]):
    return load_home({}, write(root, {**FILES, **files}), kinds=KINDS, package=Path("/nonexistent/package"))


def mistakes(root: Path, flow: str, **files: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(root, {"assets/flow.yaml": flow, **files})
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.req("A1", "A2")
def test_a_flow_of_several_datasets_loads(tmp_path: Path) -> None:
    home = load(
        tmp_path, {"assets/flow.yaml": FLOW.replace("[orders]", "[orders, products]") + "schedule: {mode: full}\n"}
    )
    export = home.exports["flow"]
    assert isinstance(export, DatasetExport)
    assert export.datasets == ("orders", "products")


@pytest.mark.req("A10")
def test_a_dataset_that_the_source_does_not_declare_is_named_with_its_flow(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, FLOW.replace("[orders]", "[order]"))
    assert said == (
        "assets/flow.yaml:7: datasets[0]: flow exports the dataset order, which shop doesn't declare (to stop exporting"
        " it, take it out of this list); did you mean orders?"
    )


@pytest.mark.req("A10")
def test_a_source_that_lost_all_of_its_datasets_is_told_with_the_flow_that_uses_them(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, FLOW, **{"resources/shop.yaml": "type: tables\nstart: 2026-11-01\n"})
    assert said.startswith("assets/flow.yaml:3: source: shop declares no datasets, and flow exports orders")


def test_a_dataset_whose_name_is_too_long_for_a_file_is_a_mistake(tmp_path: Path) -> None:
    source = SOURCE.replace("orders", "o" * 65)
    assert "is longer than 64 characters" in " ".join(mistakes(tmp_path, FLOW, **{"resources/shop.yaml": source}))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("[orders]", "[orders, carts]"), "carts has the id same, as orders has"),
        (("[orders]", "[products]"), "each partition of products has the whole table"),
        (("[orders]", "[carts]\nmax_age_days: 30"), "max_age_days: carts has no column that tells a row's age"),
        (("[orders]", "[orders, orders]"), "a dataset stands in the list twice: orders"),
        (("[orders]", "[]"), "name at least one dataset"),
        (("format: parquet", "format: {type: parquet, style: clevertap}"), "tables have the style typed alone"),
        (("[orders]", "[orders]\nmax_age_days: 0"), "write how many days, 1 to 36500, or none"),
        (("[orders]", "[orders]\nmax_age_days: 1000000"), "write how many days, 1 to 36500, or none"),
        (("[orders]", "[orders]\nidentity: {values: all}"), "identity"),
        (
            ("[orders]", "[orders]\nschedule: {every: once, start: 2026-11-02, range: previous_month}"),
            "range is for events; a one-time export of datasets has everything up to the end of its start day",
        ),
        (("[orders]", "[orders]\nschedule: {every: 6h}"), "a window would start at"),
        (("[orders]", "[orders]\nfiles: {folder: '{{Event-name}}'}"), "no value in this kind of export"),
    ],
)
def test_a_mistake_is_told_in_plain_words(tmp_path: Path, edit: tuple[str, str], message: str) -> None:
    assert message in " ".join(mistakes(tmp_path, FLOW.replace(*edit)))


@pytest.mark.parametrize("schedule", ["{mode: full}", "{every: once, start: 2026-11-02}"])
def test_a_table_that_is_given_whole_goes_out_whole_or_once(tmp_path: Path, schedule: str) -> None:
    assert load(
        tmp_path, {"assets/flow.yaml": FLOW.replace("[orders]", "[products]") + f"schedule: {schedule}\n"}
    ).exports


@pytest.mark.req("P10", "A6")
def test_two_flows_may_write_to_one_folder_unless_it_would_be_the_same_files(tmp_path: Path) -> None:
    other = FLOW.replace("[orders]", "[carts]")
    for name in ("adobe", "default"):
        files = f"files: {{name: {name}, folder: /}}\n"
        assert load(tmp_path / name, {"assets/flow.yaml": FLOW + files, "assets/other.yaml": FLOW + files}).exports
    named = "files: {name: '{{Dataset-name}}'}\n"
    assert load(tmp_path / "apart", {"assets/flow.yaml": FLOW + named, "assets/other.yaml": other + named}).exports
    (said,) = mistakes(tmp_path / "same", FLOW + named, **{"assets/other.yaml": FLOW + named})
    assert "flow writes the same keys to vault" in said


def test_profiles_of_a_source_of_tables_alone_are_refused(tmp_path: Path) -> None:
    profiles = FLOW.replace("kind: datasets\n", "").replace("datasets: [orders]\n", "")
    (said,) = mistakes(tmp_path, profiles)
    assert "shop declares no profiles, only datasets" in said
