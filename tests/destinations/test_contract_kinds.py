"""Every kind of destination takes events and tables as it takes profiles: whole, proven, and once."""

from pathlib import Path

import pytest
from contract import Case, under
from dataset_home import DatasetHome, numbered
from event_home import EventHome
from test_contract import fetched

from ctexport_dagster import reader
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.engine import InProcess
from ctexport_dagster.line import Line
from ctexport_dagster.stages.dataset_chunks import stage_dataset_chunks
from ctexport_dagster.stages.delivery import deliver_parts
from ctexport_dagster.stages.event_identity import resolve_event_partition
from ctexport_dagster.stages.event_staging import stage_event_chunks

DAY = "2026-11-01"


def sent(line: Line, destination: Destination) -> list[str]:
    return [one.status for one in deliver_parts(line, DAY, destination, run_id="run").values()]


@pytest.mark.req("P1", "P2", "L6", "P32")
def test_events_arrive_under_the_names_of_any_script(case: Case, tmp_path: Path, prefix: str) -> None:
    home = EventHome.at(tmp_path / "home")
    names = ["Charged", "Kategorie/öffnen 📨", "खरीदा"]
    happened = [{"eventName": names[n % 3], "ts": 20261101120000, "eventProps": {"n": n}} for n in range(30)]
    home.tell(DAY, happened)
    line = home.line()
    resolve_event_partition(line, DAY, engine=InProcess(), run_id="run")
    stage_event_chunks(line, DAY, engine=InProcess(), run_id="run")
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    assert sent(line, destination) == ["delivered"]
    partition = reader.open_delivery(fetched(case, prefix, tmp_path / "fetched")).partition(DAY)
    assert (len(partition.manifest.files), partition.verify(), sum(1 for _ in partition.events())) == (3, (), 30)
    assert sent(line, destination) == ["unchanged"]


@pytest.mark.req("P1", "P2", "A2", "A6", "A8")
def test_the_datasets_of_a_flow_arrive_in_adobes_folders(case: Case, tmp_path: Path, prefix: str) -> None:
    home = DatasetHome.at(tmp_path / "home", orders={"id": "o-1"}, carts={})
    home.take_in("orders", DAY, numbered(0, 40))
    home.take_in("carts", DAY, numbered(0, 0))
    line = home.line("orders", "carts", format="parquet", files={"name": "adobe", "empty": "header"})
    stage_dataset_chunks(line, DAY, run_id="run")
    destination = case.declaration(prefix=prefix).open(case.surroundings)
    assert sent(line, destination) == ["delivered", "delivered"]
    folders = {key.rpartition("/")[0] for key in under(case, prefix)}
    assert folders == {"o-1/exportTime=202611020000", "carts/exportTime=202611020000"}
    folder = fetched(case, prefix, tmp_path / "fetched")
    for dataset, rows in (("orders", 40), ("carts", 0)):
        partition = reader.open_delivery(folder, dataset=dataset).partition(DAY)
        assert (len(partition.manifest.files), partition.verify(), sum(1 for _ in partition.records())) == (1, (), rows)
    assert sent(line, destination) == ["unchanged", "unchanged"]
