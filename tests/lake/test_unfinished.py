"""What killed writers of documents left behind."""

import os
from pathlib import Path

from ctexport_dagster.stages.unfinished import sweep_unfinished


def test_only_what_has_been_unfinished_for_a_day_is_swept(tmp_path: Path) -> None:
    names = (".daily.json.17.part", ".weekly.json.18.part", "daily.json")
    for name in names:
        path = tmp_path / "deliveries/daily" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if name != names[1]:
            os.utime(path, (0, 0))
    sweep_unfinished(tmp_path)
    assert sorted(path.name for path in (tmp_path / "deliveries/daily").iterdir()) == [names[1], names[2]]
