"""What an SFTP destination's file may say, and that opening it does nothing yet."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.sftp.declaration import SftpDestination
from ctexport_dagster.resources.sftp.failures import SFTP

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAo6vOMvQ6eYqnqkMTJBvkYzhGmTgDPqDdSdK9nWKV8q sftp.example.com"
LEAST = {
    "type": "sftp",
    "name": "acme",
    "host": "sftp.example.com",
    "user": "ctexport",
    "key": {"env": "ACME_KEY"},
    "host_key": HOST_KEY,
}


def declared(**changes: object) -> SftpDestination:
    wanted = {**LEAST, **changes}
    return SftpDestination.model_validate({name: value for name, value in wanted.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({"folder": "/exports"}, "sftp://ctexport@sftp.example.com/exports/day/a.csv"),
        ({"folder": "/exports/", "prefix": "p/q"}, "sftp://ctexport@sftp.example.com/exports/p/q/day/a.csv"),
        ({"folder": "/"}, "sftp://ctexport@sftp.example.com/day/a.csv"),
        ({}, "sftp://ctexport@sftp.example.com/~/day/a.csv"),
        ({"folder": "./exports"}, "sftp://ctexport@sftp.example.com/~/exports/day/a.csv"),
        ({"port": 2222}, "sftp://ctexport@sftp.example.com:2222/~/day/a.csv"),
        ({"host": "::1"}, "sftp://ctexport@[::1]/~/day/a.csv"),
    ],
)
def test_the_address_names_user_server_and_path_without_a_secret(changes: dict[str, object], address: str) -> None:
    assert declared(**changes).open(Surroundings(Path())).address("day/a.csv") == address


@pytest.mark.parametrize(
    "changes",
    [
        {"key": None, "key_file": "keys/acme"},
        {"key": None, "password": {"env": "ACME_PASSWORD"}},
        {"password": {"env": "ACME_PASSWORD"}, "key_passphrase": {"env": "ACME_PASSPHRASE"}},
        {"host_key": [HOST_KEY, HOST_KEY]},
        {"host_key": None, "known_hosts": "keys/known_hosts"},
    ],
)
def test_every_way_to_log_in_and_to_know_the_server_loads(changes: dict[str, object]) -> None:
    assert declared(**changes).type == "sftp"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": None}, "how to log in"),
        ({"key_file": "keys/acme"}, "not both"),
        ({"key": None, "password": {"env": "P"}, "key_passphrase": {"env": "Q"}}, "key_passphrase needs"),
        ({"host_key": None}, "the server's public key in one way"),
        ({"known_hosts": "known_hosts"}, "the server's public key in one way"),
        ({"host_key": []}, "the server's public key in one way"),
        ({"host_key": "SHA256:abc"}, "on one line"),
        ({"password": "hunter2"}, "never stands in a file"),
        ({"folder": "~/exports"}, "without ~"),
        ({"prefix": "/a"}, "prefix"),
        ({"port": 0}, "greater than"),
        ({"host_key_policy": "auto_add"}, "Extra"),
    ],
)
def test_a_declaration_that_cannot_work_is_a_mistake(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(**changes)


def test_a_secret_is_asked_for_with_the_first_connection_alone() -> None:
    opened = declared().open(Surroundings(Path(), {}))
    with pytest.raises(ConfigurationError, match="ACME_KEY"):
        opened.check()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": None, "key_file": "gone"}, "key_file"),
        ({"host_key": None, "known_hosts": "gone"}, "known_hosts"),
        ({"host_key": "ssh-ed25519 AAAA"}, "host_key"),
        ({}, "key"),
    ],
)
def test_a_check_tells_what_is_wrong_before_anything_is_sent(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    failure = declared(**changes).open(Surroundings(tmp_path, {"ACME_KEY": "no key"})).check()
    assert failure is not None
    assert (failure.whose, failure.code) == ("customer", code)


@pytest.mark.req("P37")
@pytest.mark.parametrize("code", SFTP.codes)
def test_every_failure_says_what_happened_why_and_what_to_do(code: str) -> None:
    failure = SFTP.classify(code=code)
    assert all(sentence and not sentence.endswith(".") for sentence in (failure.happened, failure.cause, failure.fix))
