"""What `ctexport list` and `ctexport show` say of delivered partitions whose source was read anew since."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.home import load_home
from ctexport_dagster.stages.dataset_chunks import stage_dataset_chunks
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.stages.delivery import deliver_parts

SHOP = "type: files\nstart: 2026-11-18\ndatasets: {orders: 'data/orders-{{Partition}}.ndjson'}\n"
FLOW = (
    "kind: datasets\nowner: data@example.com\nsource: shop\ndestination: disk\naccount_id: 1\nformat: json\n"
    "datasets: [orders]\n"
)
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")


class Shop:
    """A home with two flows of one table of orders, and the command line on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("assets", "resources", "data"):
            (root / folder).mkdir()
        (root / "resources/shop.yaml").write_text(SHOP)
        (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
        (root / "assets/flow.yaml").write_text(FLOW)
        (root / "assets/other.yaml").write_text(FLOW)

        self.home = load_home({}, root)

    @property
    def line(self) -> DatasetLine:
        line = line_of(self.home, "flow")
        assert isinstance(line, DatasetLine)
        return line

    def read(self, day: str, *amounts: int) -> None:
        """The source gives these rows for a day, and the lake takes them in."""
        rows = "".join(json.dumps({"amount": amount}) + "\n" for amount in amounts)
        (self.root / f"data/orders-{day}.ndjson").write_text(rows)
        source = self.line.source
        opened = source.open(self.home.surroundings)
        ingest_dataset_partition(source, opened, "orders", day, folders=self.line.folders, run_id="in")

    def send(self, day: str) -> None:
        stage_dataset_chunks(self.line, day, run_id="run")
        deliver_parts(self.line, day, self.home.destinations["disk"].open(self.home.surroundings), run_id="run")

    def __call__(self, *arguments: str) -> str:
        result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(self.root), "COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    def outdated(self) -> dict[str, list[str]]:
        return {one["name"]: one["outdated"] for one in json.loads(self("list", "--json"))["exports"]}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Three days are read, and sent by one of the flows."""
    shop = Shop(tmp_path)
    for day in DAYS:
        shop.read(day, 1, 2)
        shop.send(day)
    return shop


def test_nothing_is_said_of_partitions_that_the_source_still_gives_as_they_went_out(shop: Shop) -> None:
    shop.read(DAYS[1], 1, 2)
    assert shop.outdated() == {"flow": [], "other": []}
    assert "~" not in shop("list")
    assert json.loads(shop("show", "flow", "--json"))["outdated"] == []
    assert "read anew" not in shop("show", "flow")


def test_list_and_show_tell_of_what_was_read_anew_until_it_is_sent_anew(shop: Shop) -> None:
    shop.read(DAYS[1], 1, 2, 3)
    shop.read(DAYS[0], 1)
    assert shop.outdated() == {"flow": list(DAYS[:2]), "other": []}
    (row,) = (line for line in shop("list").splitlines() if line.startswith("flow"))
    assert " ~ " in row
    assert (
        f"~ flow: the source was read anew since {DAYS[1]} and 1 more went out; ctexport show flow"
        in shop("list").splitlines()
    )
    assert json.loads(shop("show", "flow", "--json"))["outdated"] == [
        {"partition": day, "inputs": ["orders"], "command": f"ctexport run flow --partition {day}"} for day in DAYS[:2]
    ]
    lines = [" ".join(line.split()) for line in shop("show", "flow").splitlines()]
    start = lines.index("delivered, and read anew at the source since; nothing of it is sent anew by itself")
    assert lines[start + 1 : start + 4] == [
        "partition read anew to send it anew",
        f"{DAYS[0]} orders ctexport run flow --partition {DAYS[0]}",
        f"{DAYS[1]} orders ctexport run flow --partition {DAYS[1]}",
    ]
    shop.send(DAYS[0])
    assert shop.outdated() == {"flow": [DAYS[1]], "other": []}
    assert f"~ flow: the source was read anew since {DAYS[1]} went out; ctexport show flow" in shop("list").splitlines()
    shop.send(DAYS[1])
    assert shop.outdated() == {"flow": [], "other": []}
