"""The commands on a flow of datasets: check, preview, run, verify, show, list, and why, which is for profiles alone."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.home import load_home

GUIDE = Path(__file__).parents[2] / "docs/datasets.md"
SOURCE = "type: demo\nprofiles: 10\ndaily_events: 0\ndaily_orders: 6\nstart: 2026-11-18\n"
FLOW = """\
kind: datasets
owner: growth@example.com
source: demo
destination: disk
account_id: 1
format: {type: parquet, compression: gzip}
files: {name: adobe}
"""
DAY = "2026-11-18"


class Home:
    """A home with a flow of the demo's orders, and the command line on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "assets").mkdir(), (root / "resources").mkdir()
        (root / "resources/demo.yaml").write_text(SOURCE)
        (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
        self.declare(FLOW + "datasets: [orders]\n")

    def declare(self, text: str) -> None:
        (self.root / "assets/flow.yaml").write_text(text)

    def __call__(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(self.root), "COLUMNS": "200"})
        said = result.output if isinstance(result.exception, SystemExit | None) else str(result.exception)
        return result.exit_code, said

    def json(self, *arguments: str):
        code, said = self(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_the_guide_declares_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert [name for name, _ in blocks] == ["resources/shop.yaml", "assets/shop_tables.yaml"]
    for name, text in [*blocks, ("resources/local_disk.yaml", "type: local\nfolder: exports\n")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    home = load_home({}, tmp_path)
    assert set(home.sources["shop"].declared_datasets) == {"orders", "payments", "products"}
    assert list(home.exports) == ["shop_tables"]


@pytest.mark.req("A2", "A6", "B8")
def test_a_preview_tells_what_holds_for_all_datasets_and_masks_every_text(home: Home) -> None:
    home.declare(FLOW + "datasets: [orders, products]\nschedule: {mode: full}\n")
    code, said = home("preview", "flow", "--rows", "2")
    assert (code, "holds for all 2 datasets of the flow: orders, products" in said) == (0, True)
    shown = home.json("preview", "flow", "--rows", "2")
    orders, products = shown["datasets"]
    assert orders["files"][0].startswith(str(home.root / "exports/orders/exportTime=202611190000/part-00000-"))
    assert {"header": "amount", "type": "decimal(12,2)"} in orders["columns"]
    assert all("***" in row["clevertapId"] for row in orders["rows"])
    assert all("***" in row["title"] for row in products["rows"])
    plain = home.json("preview", "flow", "--rows", "1", "--values")["datasets"][1]["rows"][0]
    assert plain["sku"].startswith("SKU-")
    assert not (home.root / ".ctexport/lake").exists()


@pytest.mark.req("S12", "A3", "B1", "S9")
def test_a_flow_runs_and_is_verified_shown_and_listed_like_any_export(home: Home) -> None:
    ran = home.json("run", "flow", "--from", DAY, "--to", "2026-11-19")
    assert [(one["dataset"], one["partition"], one["mode"], one["rows"]) for one in ran] == [
        ("orders", DAY, "full", 6),
        ("orders", "2026-11-19", "incremental", 6),
    ]
    from_lake = home.json("preview", "flow", "--partition", "2026-11-19", "--rows", "3")["datasets"][0]
    assert (from_lake["rows_from"], from_lake["mode"], len(from_lake["rows"])) == ("lake", "incremental", 3)
    verified = home.json("verify", "flow", "--partition", DAY)
    assert (verified["ok"], verified["datasets"][0]["dataset"], verified["datasets"][0]["rows"]) == (True, "orders", 6)
    assert (
        "flow orders, partition 2026-11-18, generation 1 is as promised: 1 file, 6 rows, "
        in home("verify", "flow", "--partition", DAY)[1]
    )
    shown = home.json("show", "flow")
    assert list(shown["keys"]) == ["orders, chunk 0", "orders, chunk 1", "orders, manifest"]
    assert [volume["rows"] for volume in shown["volume"]] == [6, 6]
    listed = home.json("list", "--type", "datasets")
    assert [(one["name"], one["type"], one["format"]) for one in listed["exports"]] == [("flow", "datasets", "parquet")]


@pytest.mark.req("B1")
def test_a_damaged_file_of_a_dataset_is_found(home: Home) -> None:
    home("run", "flow", "--partition", DAY)
    (file,) = (home.root / "exports").rglob("*.gz.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    code, said = home("verify", "flow", "--partition", DAY)
    assert (code, "checksum" in said) == (1, True)


@pytest.mark.req("A9")
def test_check_warns_of_a_dataset_whose_rows_tell_no_age(home: Home) -> None:
    home.declare(FLOW + "datasets: [products]\nschedule: {mode: full}\n")
    code, said = home("check")
    assert (code, "products has no timestamp" in said) == (0, True)


@pytest.mark.req("A10")
def test_check_names_the_flow_and_the_dataset_that_is_gone(home: Home) -> None:
    home.declare(FLOW + "datasets: [refunds]\n")
    assert "flow exports the dataset refunds, which demo doesn't declare" in home("check")[1]


def test_why_says_that_it_is_for_profiles(home: Home) -> None:
    code, said = home("why", "flow", "id1", "--partition", DAY)
    assert (code, "flow exports datasets; this is for exports of profiles" in said.replace("\n", " ")) == (2, True)
