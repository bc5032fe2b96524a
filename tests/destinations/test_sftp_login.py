"""Logging in over SSH: the host key first, then the user; every refusal says whose it is to mend."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from case_sftp import PASSPHRASE, SftpCase, new_key
from session_cases import Cases

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.sftp.declaration import SftpDestination

PASSWORD = "tr0ub4dor and 3"


@pytest.fixture
def sftp(cases: Cases) -> SftpCase:
    case = cases.of("sftp")
    assert isinstance(case, SftpCase)
    return case


def code_of(declared: SftpDestination, surroundings: Surroundings) -> tuple[str, str] | None:
    """Class and code of what stands in the way of a login; None if nothing does."""
    opened = declared.open(surroundings)
    failure = opened.check()
    opened.close()
    return (failure.whose, failure.code) if failure else None


def with_environment(sftp: SftpCase, **changes: str) -> Surroundings:
    return Surroundings(sftp.surroundings.home, {**sftp.surroundings.environment, **changes})


def test_a_key_with_its_passphrase_logs_in(sftp: SftpCase) -> None:
    assert code_of(sftp.declaration(), sftp.surroundings) is None


def test_a_keys_file_logs_in(sftp: SftpCase) -> None:
    declared = sftp.declaration().model_copy(update={"key": None, "key_file": "key"})
    assert code_of(declared, sftp.surroundings) is None


@pytest.mark.req("P37")
def test_a_wrong_passphrase_is_the_customers(sftp: SftpCase) -> None:
    wrong = with_environment(sftp, SFTP_PASSPHRASE="wrong")
    assert code_of(sftp.declaration(), wrong) == ("customer", "key")


def test_a_passphrase_that_is_not_declared_is_named(sftp: SftpCase) -> None:
    declared = sftp.declaration().model_copy(update={"key_passphrase": None})
    assert code_of(declared, sftp.surroundings) == ("customer", "key_passphrase")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_a_key_of_any_kind_that_the_server_does_not_know_is_refused(sftp: SftpCase, tmp_path: Path, kind: str) -> None:
    new_key(tmp_path / "other", PASSPHRASE, kind=kind)
    other = with_environment(sftp, SFTP_KEY=(tmp_path / "other").read_text())
    assert code_of(sftp.declaration(), other) == ("customer", "login refused")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_key_that_was_cut_off_is_the_customers(sftp: SftpCase, cut: float) -> None:
    whole = sftp.surroundings.environment["SFTP_KEY"]
    damaged = with_environment(sftp, SFTP_KEY=whole[: int(len(whole) * cut)])
    assert code_of(sftp.declaration(), damaged) == ("customer", "key")


def test_a_server_that_known_hosts_does_not_have_is_refused(sftp: SftpCase, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    declared = sftp.declaration().model_copy(update={"known_hosts": str(tmp_path / "known_hosts")})
    assert code_of(declared, sftp.surroundings) == ("customer", "host key unknown")


def test_a_pinned_key_is_enough(sftp: SftpCase) -> None:
    declared = sftp.declaration().model_copy(update={"known_hosts": None, "host_key": sftp.host_key})
    assert code_of(declared, sftp.surroundings) is None


def test_another_key_than_the_pinned_one_is_refused(sftp: SftpCase, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other")
    declared = sftp.declaration().model_copy(update={"known_hosts": None, "host_key": other})
    assert code_of(declared, sftp.surroundings) == ("customer", "host key changed")


def test_a_name_that_leads_nowhere_is_the_customers(sftp: SftpCase) -> None:
    declared = sftp.declaration().model_copy(update={"host": "no-such-host.invalid"})
    found = code_of(declared, sftp.surroundings)
    assert found in [("customer", "unknown host"), ("transient", "connection lost")]


def test_a_machine_without_paramiko_is_told_what_to_install(sftp: SftpCase) -> None:
    program = (
        "import sys; sys.modules['paramiko'] = None\n"
        "from pathlib import Path\n"
        "from ctexport_dagster.core.surroundings import Surroundings\n"
        "from ctexport_dagster.resources.sftp.declaration import SftpDestination\n"
        "opened = SftpDestination.model_validate_json(sys.argv[1]).open(Surroundings(Path()))\n"
        "print(opened.address('a'))\n"
        "opened.check()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, sftp.declaration().model_dump_json(exclude_none=True)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert (run.stdout.strip(), 'pip install "ctexport-dagster[sftp]"' in run.stderr) == (
        sftp.declaration().open(sftp.surroundings).address("a"),
        True,
    )


# Passwords, *simulated*: at a server of paramiko's own, for OpenSSH checks them against the machine's accounts


class PasswordServer(paramiko.ServerInterface):
    """Takes one password, and before it any key, where it wants both."""

    def __init__(self, *, wants_a_key: bool) -> None:
        self.wants_a_key = wants_a_key
        self.has_key = False

    def get_allowed_auths(self, username: str) -> str:
        return "publickey" if self.wants_a_key and not self.has_key else "password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.has_key = True
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.wants_a_key else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        is_right = password == PASSWORD and self.has_key >= self.wants_a_key
        return paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


@pytest.fixture
def password_server(request: pytest.FixtureRequest) -> Iterator[SftpDestination]:
    """A declaration with a password for a server that has no SFTP: whoever sees that is logged in."""
    host_key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                transport = paramiko.Transport(listener.accept()[0])
                transport.add_server_key(host_key)
                transport.start_server(server=PasswordServer(wants_a_key=request.param))

        threading.Thread(target=serve, daemon=True).start()
        yield SftpDestination.model_validate(
            {
                "type": "sftp",
                "name": "acme",
                "host": "127.0.0.1",
                "port": listener.getsockname()[1],
                "user": "me",
                "password": {"env": "PASSWORD"},
                "host_key": f"{host_key.get_name()} {host_key.get_base64()}",
            }
        )


@pytest.mark.parametrize("password_server", [False], indirect=True)
@pytest.mark.parametrize(("password", "code"), [(PASSWORD, "no sftp"), ("wrong", "login refused")])
def test_a_password_logs_in_if_it_is_right_simulated(
    password_server: SftpDestination, tmp_path: Path, password: str, code: str
) -> None:
    surroundings = Surroundings(tmp_path, {"PASSWORD": password})
    assert code_of(password_server, surroundings) == ("customer", code)


@pytest.mark.parametrize("password_server", [True], indirect=True)
def test_a_server_that_wants_key_and_password_gets_both_simulated(
    password_server: SftpDestination, tmp_path: Path
) -> None:
    new_key(tmp_path / "key")
    both = password_server.model_copy(update={"key_file": "key"})
    assert code_of(both, Surroundings(tmp_path, {"PASSWORD": PASSWORD})) == ("customer", "no sftp")
