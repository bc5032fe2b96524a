"""The settings of a home: defaults without a file, mistakes with file, line and field."""

from pathlib import Path

import pytest

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.resources.registry import RESOURCE_KINDS

ROOT = Path(__file__).parents[1]


def read(home: Path, text: str) -> tuple[Settings, list[str]]:
    (home / "settings.yaml").write_text(text)
    found = read_declarations(home, RESOURCE_KINDS)
    return found.settings, [str(mistake) for mistake in found.mistakes]


def test_a_home_without_settings_has_the_defaults(tmp_path: Path) -> None:
    assert read_declarations(tmp_path, RESOURCE_KINDS).settings == Settings()


def test_the_settings_in_the_repository_are_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, (ROOT / "settings.yaml").read_text()) == (Settings(), [])


def test_settings_take_secrets_from_the_environment(tmp_path: Path) -> None:
    settings, mistakes = read(tmp_path, "webhook:\n  url: {env: HOOK}\n")
    assert mistakes == []
    assert settings.webhook
    assert settings.webhook.url == Secret("HOOK")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("operatons: a@example.com\n", "settings.yaml:1: operatons: unknown key; did you mean operations?"),
        (
            "mail:\n  host: localhost\n  sender: a@example.com\n  username: me\n  password: {env: P}\n",
            "settings.yaml:4: mail.username: a secret never stands in a file; write {env: NAME}",
        ),
        (
            "dagit_url: here\nmail:\n  host: localhost\n  sender: a@example.com\n  security: none\n"
            "  username: {env: U}\n  password: {env: P}\n",
            "settings.yaml:2: mail: a password is never sent in clear: set security to starttls or tls",
        ),
        (
            "entitlement: {applications: {}}\n",
            "settings.yaml:1: entitlement: declare applications, add_ons or both; without an entitlement, leave the"
            " whole key out",
        ),
        (
            "entitlement:\n  applications:\n    prime: {profiles: 10, per_profil: 500 KB}\n",
            "settings.yaml:3: entitlement.applications.prime.per_profil: unknown key; did you mean per_profile?",
        ),
        (
            "entitlement:\n  add_ons: {distiller: 1 TiB}\n",
            "settings.yaml:2: entitlement.add_ons.distiller: '1 TiB' is no size; write it as 100 MB",
        ),
    ],
)
def test_a_mistake_in_the_settings_names_line_and_field(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in read(tmp_path, text)[1]
