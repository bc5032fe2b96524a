"""The asset of a source's dataset, through Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from pydantic import ValidationError

from ctexport_dagster.assets.attempts import tags_of_assets
from ctexport_dagster.assets.datasets import dataset_asset, dataset_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.build import build_definitions
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import PartitionMissing, SourceMissing
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import RawBatch, Source, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.lake.datasets import DatasetTally
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.state import StateFolders

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
PRICE = pl.Decimal(9, 2)


class ShopSource(SourceDeclaration):
    """Declares datasets by name."""

    datasets: dict[str, DeclaredDataset]

    @property
    def has_profiles(self) -> bool:
        return False

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        return self.datasets

    def open(self, surroundings: Surroundings) -> Source:
        raise AssertionError("these tests open the shop themselves")


@dataclass
class Shop:
    """The tables of each partition; a partition ends where its key says, if they follow from one another."""

    tables: dict[str, pl.DataFrame]
    follows: bool = False
    asked: list[Span] = field(default_factory=list)

    def dataset(self, name: str, span: Span) -> DatasetInput:
        self.asked.append(span)
        frame = self.tables[span.partition]
        upto = (span.upto or f"upto {span.partition}") if self.follows else None
        fingerprint = str(frame.hash_rows().to_list())
        return DatasetInput(fingerprint, (name,), lambda: iter([RawBatch(frame, origin=name)]), frame.height, upto)


def source(**datasets: DeclaredDataset) -> ShopSource:
    return ShopSource(name="shop", start=date(2026, 11, 1), datasets=datasets or {"orders": DeclaredDataset()})


def materialized(state: Path, opened: Shop, partition: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [dataset_asset(source(), "orders", Workshop(StateFolders(state)), owners=["a@example.com"])],
        partition_key=partition,
        resources={"shop": opened},
    )


def told(result: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    [only] = result.asset_materializations_for_node("shop__orders")
    return only


def test_a_materialization_tells_its_counts_and_its_columns_and_no_value(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2], "price": pl.Series(["1.5", "secret"])})
    shop = Shop({DAYS[0]: pl.DataFrame({"price": pl.Series(["1.50"]).cast(PRICE)}), DAYS[1]: frame})
    materialized(tmp_path, shop, DAYS[0])
    only = told(materialized(tmp_path, shop, DAYS[1]))
    assert only.asset_key == dataset_key("shop", "orders")
    counts = {
        name: only.metadata[name].value for name in ("rows source", "rows quarantined", "dagster/partition_row_count")
    }
    assert counts == {"rows source": 2, "rows quarantined": 2, "dagster/partition_row_count": 0}
    columns = only.metadata["dagster/column_schema"].value
    assert isinstance(columns, dg.TableSchema)
    assert [(column.name, column.type) for column in columns.columns] == [("price", "decimal(9,2)"), ("id", "int64")]
    assert "secret" not in str(only.metadata)


@pytest.mark.req("B1", "B6")
def test_the_checks_tell_of_columns_that_drift(tmp_path: Path) -> None:
    shop = Shop({DAYS[0]: pl.DataFrame({"a": [1], "b": [1]}), DAYS[1]: pl.DataFrame({"a": [1.5], "c": ["x"]})})
    assert all(check.passed for check in materialized(tmp_path, shop, DAYS[0]).get_asset_check_evaluations())
    checks = {check.check_name: check for check in materialized(tmp_path, shop, DAYS[1]).get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {
        "every_row_is_accounted_for": True,
        "every_row_is_usable": True,
        "declared_columns_are_given": True,
        "fields_are_as_before": False,
        "volume_is_usual": True,
    }
    drift = {name: value.value for name, value in checks["fields_are_as_before"].metadata.items()}
    assert drift == {
        "partition": DAYS[1],
        "added": "c",
        "removed": "b",
        "changed type": "a: int64 → float64",
    }


def test_a_second_materialization_writes_nothing(tmp_path: Path) -> None:
    shop = Shop({DAYS[0]: pl.DataFrame({"a": [1]})})
    first, second = (told(materialized(tmp_path, shop, DAYS[0])) for _ in range(2))
    assert [one.metadata["was new"].value for one in (first, second)] == [True, False]
    assert len({(one.tags or {})["dagster/data_version"] for one in (first, second)}) == 1


def ingest(state: Path, opened: object, partition: str, dataset: str = "orders", **declared: object) -> DatasetTally:
    declaration = source(orders=DeclaredDataset.model_validate(declared))
    folders = StateFolders(state)
    return ingest_dataset_partition(declaration, opened, dataset, partition, folders=folders, run_id="r").rows


@pytest.mark.req("A3")
def test_a_partition_is_read_from_where_the_one_before_ended_to_where_it_ended_itself(tmp_path: Path) -> None:
    shop = Shop({day: pl.DataFrame({"a": [1]}) for day in DAYS}, follows=True)
    for day in (*DAYS[:2], DAYS[0], DAYS[1]):
        ingest(tmp_path, shop, day, cursor="a")
    ends = [f"upto {day}" for day in DAYS]
    assert [(span.since, span.upto) for span in shop.asked] == [
        (None, None), (ends[0], None), (None, ends[0]), (ends[0], ends[1])
    ]  # fmt: skip


@pytest.mark.parametrize("declared", [{"cursor": "a"}, {}])
def test_partitions_that_follow_from_one_another_come_in_order(tmp_path: Path, declared: dict[str, object]) -> None:
    shop = Shop({day: pl.DataFrame({"a": [1]}) for day in DAYS}, follows=True)
    ingest(tmp_path, shop, DAYS[0], **declared)
    with pytest.raises(PartitionMissing, match=f"Materialize shop/orders for {DAYS[1]} first"):
        ingest(tmp_path, shop, DAYS[2], **declared)


def test_whole_tables_come_in_any_order(tmp_path: Path) -> None:
    shop = Shop({DAYS[2]: pl.DataFrame({"a": [1]})}, follows=True)
    assert ingest(tmp_path, shop, DAYS[2], holds="all", cursor="a") == DatasetTally(source=1, kept=1)


@pytest.mark.parametrize(("opened", "dataset"), [(object(), "orders"), (Shop({}), "others")])
def test_a_dataset_that_the_source_does_not_declare_is_missing(tmp_path: Path, opened: object, dataset: str) -> None:
    with pytest.raises(SourceMissing, match=f"the dataset {dataset} of shop for {DAYS[0]}: the source declares none"):
        ingest(tmp_path, opened, DAYS[0], dataset)


def test_every_declared_dataset_has_an_asset_and_its_own_lock(tmp_path: Path) -> None:
    declaration = source(orders=DeclaredDataset(), products=DeclaredDataset(holds="all"))
    built = build_definitions(
        [], {"shop": declaration}, {}, surroundings=Surroundings(tmp_path), workshop=Workshop(StateFolders(tmp_path))
    )
    keys = built.resolve_asset_graph().get_all_asset_keys()
    assert keys == {dataset_key("shop", "orders"), dataset_key("shop", "products")}
    assert declaration.contents == ("orders", "products")
    locks = {StateFolders(tmp_path).ingest_lock("shop", name).lock_file for name in declaration.contents}
    assert {Path(path).name for path in locks} == {"dataset-shop-orders.lock", "dataset-shop-products.lock"}


def test_a_dataset_is_owned_by_those_whose_exports_have_it(tmp_path: Path) -> None:
    declaration = source(orders=DeclaredDataset(), products=DeclaredDataset(holds="all"))
    least = {"source": "shop", "destination": "disk", "account_id": 1, "format": "json", "schedule": {"mode": "full"}}
    flows = [
        DatasetExport.model_validate({**least, "name": name, "datasets": [name], "owner": f"{name}@example.com"})
        for name in ("orders", "products")
    ]
    built = build_definitions(
        flows,
        {"shop": declaration},
        {"disk": LocalDestination(type="local", name="disk", folder="exports")},
        surroundings=Surroundings(tmp_path),
        workshop=Workshop(StateFolders(tmp_path)),
    )
    graph = built.resolve_asset_graph()
    owners = {name: list(graph.get(dataset_key("shop", name)).owners) for name in ("orders", "products")}
    assert owners == {"orders": ["orders@example.com"], "products": ["products@example.com"]}


def test_a_run_of_a_dataset_is_tagged_with_its_source() -> None:
    keys = [dg.AssetKey(path) for path in (["shop", "orders"], ["flow", "formatted_chunks"], ["flow", "delivery"])]
    assert tags_of_assets(keys) == {"ctexport.export/flow": "yes", "ctexport.source/shop": "yes"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("events", "events is the name of another asset"),
        ("delivery", "delivery is the name of another asset"),
        ("identity_resolved_profiles", "is the name of another asset"),
        ("new orders", "'new orders' can't be the name of an asset; use letters, digits and _"),
        ("", "can't be the name of an asset"),
    ],
)
def test_a_dataset_has_a_name_of_its_own(name: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        source(**{name: DeclaredDataset()})


def test_a_column_under_types_that_the_source_never_gave_is_warned_of(tmp_path: Path) -> None:
    declared = source(orders=DeclaredDataset(types={"prise": ValueType.FLOAT64}))
    result = dg.materialize(
        [dataset_asset(declared, "orders", Workshop(StateFolders(tmp_path)))],
        partition_key=DAYS[0],
        resources={"shop": Shop({DAYS[0]: pl.DataFrame({"price": [1]})})},
    )
    (check,) = (one for one in result.get_asset_check_evaluations() if one.check_name == "declared_columns_are_given")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "shop/orders: types: no column is called prise; did you mean price?"
