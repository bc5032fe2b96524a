"""The manifest's text: fixed to the letter, and read back to the same manifest."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Manifest, ManifestColumn, ManifestFile, RowCounts

GOLDEN = Path(__file__).parents[1] / "goldens" / "manifest" / "daily_profiles-2026-11-01-g2.manifest.json"
ADOBE_GOLDEN = GOLDEN.with_name("shop_tables-orders-2026-11-01-g2.manifest.json")

MANIFEST = Manifest(
    export="daily_profiles",
    export_id=1761651721,
    configuration_version="0123456789abcdef",
    kind="profiles",
    partition="2026-11-01",
    window=Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
    generation=2,
    supersedes=1,
    run_id="5f0c",
    mode="incremental",
    format={"type": "parquet", "compression": "zstd", "wrap": "none", "style": "clevertap", "as_string": False},
    fingerprint="fedcba9876543210",
    columns=(
        ManifestColumn("identity", "string", "identity"),
        ManifestColumn("Größe 📏", "float64", "property:Größe"),
    ),
    files=(ManifestFile("2026-11-02/a-1.parquet", 2, 1234, "ab" * 32),),
    rows=RowCounts(source=9, unchanged=4, superseded=2, quarantined=1, exported=2, tombstones=3),
    lake_version=7,
    upstream_runs=("aaaa", "bbbb"),
)


@pytest.mark.req("B1")
def test_the_text_is_the_golden_one_to_the_letter() -> None:
    assert MANIFEST.to_json() == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.req("B1")
def test_the_keys_are_the_contracts_in_its_order() -> None:
    assert list(json.loads(MANIFEST.to_json())) == [
        "export", "export_id", "configuration_version", "kind", "partition", "window", "generation", "supersedes",
        "run_id", "mode", "format", "schema", "files", "rows", "lake_version", "upstream_runs",
    ]  # fmt: skip


names = st.text(max_size=20)
counts = st.integers(0, 2**63)
whole_seconds = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    start = draw(whole_seconds)
    return Manifest(
        export=draw(names),
        export_id=draw(counts),
        configuration_version=draw(names),
        kind=draw(names),
        partition=draw(names),
        window=Interval(start, start + timedelta(seconds=draw(st.integers(1, 10**6)))),
        generation=draw(st.integers(1, 9)),
        supersedes=draw(st.none() | st.integers(1, 8)),
        run_id=draw(names),
        mode=draw(st.sampled_from(["full", "incremental"])),
        format=draw(st.dictionaries(names, names | st.booleans() | st.none())),
        fingerprint=draw(names),
        columns=tuple(draw(st.lists(st.builds(ManifestColumn, names, names, names), max_size=3))),
        files=tuple(draw(st.lists(st.builds(ManifestFile, names, counts, counts, names), max_size=3))),
        rows=draw(st.builds(RowCounts, counts, counts, counts, counts, counts, counts)),
        lake_version=draw(counts),
        upstream_runs=tuple(draw(st.lists(names, max_size=3))),
    )


@given(manifests())
def test_what_was_written_is_read_back_equal(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_keys_that_a_later_version_adds_are_left_alone_at_every_depth() -> None:
    document = json.loads(MANIFEST.to_json())
    for place in (document, document["window"], document["schema"], document["files"][0], document["rows"]):
        place["later"] = 1
    assert Manifest.from_json(json.dumps(document)) == MANIFEST


@pytest.mark.parametrize("text", ["", "[]", "{", '"text"', "{}"])
def test_a_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a manifest"):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [("generation", "two"), ("mode", "some"), ("files", None), ("window", {}), ("rows", {"source": 1})],
)
def test_a_manifest_with_a_wrong_field_is_refused_by_the_fields_name(path: str, value: object) -> None:
    text = json.dumps({**json.loads(MANIFEST.to_json()), path: value})
    with pytest.raises(ValueError, match=re.escape(f"not a manifest: {path}")):
        Manifest.from_json(text)


def test_provenance_alone_says_nothing_else() -> None:
    other = replace(MANIFEST, generation=5, supersedes=4, run_id="x", lake_version=0, upstream_runs=())
    assert MANIFEST.tells_the_same_as(replace(other, configuration_version="y"))


@pytest.mark.parametrize(
    "changed",
    [
        replace(MANIFEST, mode="full"),
        replace(MANIFEST, files=()),
        replace(MANIFEST, columns=MANIFEST.columns[:1]),
        replace(MANIFEST, rows=replace(MANIFEST.rows, tombstones=0)),
        replace(MANIFEST, fingerprint="other"),
    ],
    ids=["mode", "files", "columns", "rows", "fingerprint"],
)
def test_anything_else_says_otherwise(changed: Manifest) -> None:
    assert not MANIFEST.tells_the_same_as(changed)


def test_bytes_are_those_of_all_files() -> None:
    assert replace(MANIFEST, files=(*MANIFEST.files, ManifestFile("b", 1, 6, ""))).bytes == 1240


def test_the_counts_add_up() -> None:
    assert (MANIFEST.rows.adds_up, replace(MANIFEST.rows, source=10).adds_up) == (True, False)


@pytest.mark.req("A8", "A9", "B1")
def test_a_manifest_in_adobes_style_is_the_golden_one_and_is_read_back_to_the_same() -> None:
    orders = replace(
        MANIFEST,
        export="shop_tables",
        kind="datasets",
        dataset="orders",
        too_old=4,
        scheduled=datetime(2026, 11, 2, 1, 30, tzinfo=UTC),
        columns=(ManifestColumn("amount", "decimal(12,2)", "amount"),),
        files=(ManifestFile("a/b/part-0.parquet", 2, 1234, "ab" * 32), ManifestFile("root.parquet", 1, 7, "cd" * 32)),
    )
    assert orders.to_json() == ADOBE_GOLDEN.read_text(encoding="utf-8")
    assert Manifest.from_json(orders.to_json()) == orders
