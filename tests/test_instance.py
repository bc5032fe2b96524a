"""The Dagster instance of a home: its settings, and where its storage lies."""

from pathlib import Path

import pytest
import yaml

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.instance import (
    FILE,
    POSTGRES_SCHEME,
    POSTGRES_URL,
    SETTINGS,
    dagster_home,
    open_instance,
    settings_for,
)

URL = {POSTGRES_URL: "postgresql+psycopg2://ctexport:walrus@127.0.0.1:5432/dagster"}
OWN_STORAGE = "storage:\n  sqlite:\n    base_dir: /elsewhere\n"


def test_a_fresh_home_lies_in_sqlite_with_our_settings(tmp_path: Path) -> None:
    with open_instance(tmp_path, {}) as instance:
        assert type(instance.run_storage).__name__ == "SqliteRunStorage"
        assert instance.telemetry_enabled is False
        assert instance.get_settings("concurrency")["pools"] == {"default_limit": 1, "granularity": "run"}
    assert (tmp_path / FILE).read_text() == SETTINGS


def test_what_somebody_edited_is_kept(tmp_path: Path) -> None:
    edited = SETTINGS.replace("max_concurrent_runs: 4", "max_concurrent_runs: 2")
    (tmp_path / FILE).write_text(edited)
    open_instance(tmp_path, {}).dispose()
    assert (tmp_path / FILE).read_text() == edited


@pytest.mark.parametrize("present", ["", SETTINGS])
def test_one_setting_moves_storage_to_postgres_and_writes_no_secret(present: str) -> None:
    text = settings_for(present, URL)
    assert yaml.safe_load(text)["storage"] == {"postgres": {"postgres_url": {"env": POSTGRES_URL}}}
    assert yaml.safe_load(text) | {"storage": None} == yaml.safe_load(SETTINGS) | {"storage": None}
    assert "walrus" not in text
    assert settings_for(text, URL) == text


def test_storage_that_somebody_declared_is_left_alone() -> None:
    assert settings_for(SETTINGS + OWN_STORAGE, URL) == SETTINGS + OWN_STORAGE


def test_a_home_in_postgres_without_its_address_says_which_setting_is_missing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(settings_for("", URL))
    with pytest.raises(ConfigurationError, match=f"set {POSTGRES_URL}"):
        open_instance(tmp_path, {})


def test_an_address_for_another_driver_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_instance(tmp_path, {POSTGRES_URL: "postgresql://ctexport:walrus@127.0.0.1/dagster"})
    assert f"must begin with {POSTGRES_SCHEME}" in str(refused.value)
    assert "walrus" not in str(refused.value)


def test_the_home_of_the_instance_is_the_states_unless_dagster_says_another(tmp_path: Path) -> None:
    assert dagster_home(tmp_path, {}) == tmp_path / "dagster"
    assert dagster_home(tmp_path, {"DAGSTER_HOME": str(tmp_path / "own")}) == tmp_path / "own"
