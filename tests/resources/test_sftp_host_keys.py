"""The server's key: trusted by its line in known_hosts or by the declaration, else never."""

import base64
import struct

import pytest
from paramiko.hostkeys import HostKeys as ParamikosHostKeys

from ctexport_dagster.resources.sftp.host_keys import HostKey, HostKeys, known, pinned

ED25519, RSA = "ssh-ed25519", "ssh-rsa"


def key(number: int, kind: str = ED25519) -> HostKey:
    return HostKey(kind, struct.pack(">I", len(kind)) + kind.encode() + bytes([number]) * 32)


def line(names: str, which: HostKey) -> str:
    return f"{names} {which.type} {base64.b64encode(which.content).decode()} a comment"


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("sftp.example.com", "sftp.example.com", 22),
        ("SFTP.example.com", "sftp.Example.com", 22),
        ("10.0.0.1,sftp.example.com", "sftp.example.com", 22),
        ("[sftp.example.com]:2222", "sftp.example.com", 2222),
        ("*.example.com", "sftp.example.com", 22),
        ("[127.0.0.1]:*", "127.0.0.1", 40001),
        pytest.param(ParamikosHostKeys.hash_host("sftp.example.com"), "sftp.example.com", 22, id="hashed"),
        pytest.param(
            ParamikosHostKeys.hash_host("[sftp.example.com]:2222"), "sftp.example.com", 2222, id="hashed with a port"
        ),
    ],
)
def test_a_key_is_trusted_for_the_names_of_its_line(names: str, host: str, port: int) -> None:
    assert known(line(names, key(1)), host, port).verdict(key(1)) == "trusted"


@pytest.mark.parametrize(
    "names",
    [
        "other.example.com",
        "[sftp.example.com]:2222",
        "*.example.com,!sftp.example.com",
        pytest.param(ParamikosHostKeys.hash_host("other.example.com"), id="another, hashed"),
        "|1|torn",
        "|1|torn|%%%",
        "|1|to|o|many",
    ],
)
def test_a_server_without_a_line_of_its_own_is_unknown(names: str) -> None:
    assert known(line(names, key(1)), "sftp.example.com", 22).verdict(key(1)) == "unknown"


def test_another_key_than_the_known_one_has_changed() -> None:
    assert known(line("host", key(1)), "host", 22).verdict(key(2)) == "changed"


def test_a_server_may_have_several_keys_of_one_type() -> None:
    lines = "\n".join([line("host", key(1)), line("host", key(2))])
    assert known(lines, "host", 22).verdict(key(2)) == "trusted"


def test_a_revoked_key_is_refused_though_another_line_trusts_it() -> None:
    lines = "\n".join([line("host", key(1)), line("@revoked *", key(1))])
    assert known(lines, "host", 22).verdict(key(1)) == "revoked"


def test_an_authoritys_line_is_no_trust_in_its_key() -> None:
    assert known(line("@cert-authority *", key(1)), "host", 22).verdict(key(1)) == "unknown"


@pytest.mark.parametrize("junk", ["", "# a comment", "host", "host ssh-ed25519", "host ssh-ed25519 %%%", "@revoked"])
def test_a_line_that_makes_no_sense_is_passed_over(junk: str) -> None:
    assert known(f"{junk}\n{line('host', key(1))}", "host", 22) == HostKeys((key(1),))


def test_the_types_that_are_known_are_asked_for_in_their_order() -> None:
    lines = "\n".join(line("host", each) for each in (key(1, RSA), key(2), key(3, RSA)))
    assert known(lines, "host", 22).types == [RSA, ED25519]


def test_a_pinned_key_is_trusted() -> None:
    assert pinned([line("", key(1)).strip()]).verdict(key(1)) == "trusted"


def test_another_key_than_the_pinned_ones_has_changed() -> None:
    assert pinned([line("", key(1)).strip(), line("", key(2)).strip()]).verdict(key(3)) == "changed"


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "ssh-rsa " + line("", key(1)).split()[1], "", "AAAA"])
def test_what_is_no_key_cannot_be_pinned(text: str) -> None:
    with pytest.raises(ValueError, match="no host key"):
        pinned([text])
