"""The commands about destinations: policy, check with a canary, verify."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import pytest
from answering import answering
from by_hand import deliver_by_hand
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.home import load_home
from ctexport_dagster.resources.s3 import policy as s3_policy

DAY = "2026-11-18"
EXPORT = "owner: growth@example.com\nsource: demo\ndestination: disk\naccount_id: 100000000\nformat: csv\n"
S3 = "type: s3\nbucket: acme-exports\nregion: eu-west-1\n"
NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
"""No test asks a real service for the time."""


def write_home(root: Path, **destinations: str) -> Path:
    (root / "assets").mkdir(), (root / "resources").mkdir()
    (root / "assets/daily.yaml").write_text(EXPORT)
    (root / "resources/demo.yaml").write_text(f"type: demo\nprofiles: 20\nstart: {DAY}\n")
    for name, text in {"disk": "type: local\nfolder: exports\n", **destinations}.items():
        (root / f"resources/{name}.yaml").write_text(text)
    return root


def run(home: Path, *arguments: str, proxies: Mapping[str, str] = NOWHERE) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(home), "COLUMNS": "200", **proxies})
    return result.exit_code, result.output


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """A home whose first partition was delivered to its disk."""
    deliver_by_hand(load_home({"CTEXPORT_HOME": str(write_home(tmp_path))}, tmp_path), "daily", DAY)
    return tmp_path


def verdict(home: Path) -> tuple[int, Mapping]:
    code, output = run(home, "verify", "daily", "--partition", DAY, "--json")
    return code, json.loads(output)


@pytest.mark.req("B3")
def test_verify_proves_a_delivery(delivered: Path) -> None:
    code, told = verdict(delivered)
    assert (code, told["ok"], told["files"], told["rows"], told["problems"]) == (0, True, 1, 20, [])


@pytest.mark.req("B3")
@pytest.mark.parametrize("what", ["*.csv.gz", "*.manifest.json"])
@pytest.mark.parametrize(("damage", "kind"), [("gone", "missing"), ("longer", "size"), ("changed", "checksum")])
def test_verify_tells_what_is_missing_or_damaged(delivered: Path, what: str, damage: str, kind: str) -> None:
    (path,) = (delivered / "exports").rglob(what)
    content = path.read_bytes()
    match damage:
        case "gone":
            path.unlink()
        case "longer":
            path.write_bytes(content + b"!")
        case "changed":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, told = verdict(delivered)
    assert (code, [(problem["kind"], problem["key"]) for problem in told["problems"]]) == (1, [(kind, path.name)])


def test_verify_leaves_nothing_behind(delivered: Path) -> None:
    before = sorted((delivered / ".ctexport").rglob("*"))
    verdict(delivered)
    assert sorted((delivered / ".ctexport").rglob("*")) == before


def test_verify_of_what_was_never_delivered_says_how_to_deliver_it(tmp_path: Path) -> None:
    home = write_home(tmp_path)
    result = CliRunner().invoke(app, ["verify", "daily", "--partition", DAY], env={"CTEXPORT_HOME": str(home)})
    assert (result.exit_code, str(result.exception)) == (
        1,
        f"Verifying daily, partition {DAY}: it was not delivered yet. Run `ctexport run daily --partition {DAY}`.",
    )


@pytest.mark.req("S4")
def test_policy_prints_what_the_cloud_needs(tmp_path: Path) -> None:
    assert run(tmp_path, "policy", "s3", "--bucket", "acme") == (0, s3_policy.policy("acme") + "\n")


@pytest.mark.req("S4")
@pytest.mark.parametrize("cloud", ["s3", "gcs", "azure"])
def test_policy_fills_the_bucket_in(tmp_path: Path, cloud: str) -> None:
    code, output = run(tmp_path, "policy", cloud, "--bucket", "acme-7f3", "--json")
    assert (code, "acme-7f3" in json.loads(output)["policy"]) == (0, True)


def test_policy_names_a_principal_for_s3_alone(tmp_path: Path) -> None:
    principal = "arn:aws:iam::123456789012:root"
    code, output = run(tmp_path, "policy", "s3", "--bucket", "acme", "--principal", principal)
    assert (code, f'"AWS": "{principal}"' in output) == (0, True)
    assert run(tmp_path, "policy", "gcs", "--bucket", "acme", "--principal", principal)[0] == 2


@pytest.mark.req("S3")
def test_check_warns_of_a_bucket_in_another_region_than_the_account(tmp_path: Path) -> None:
    keys = "access_key_id: {env: HOME}\nsecret_access_key: {env: HOME}\n"
    home = write_home(tmp_path, bucket=f"{S3}{keys}clevertap_region: us1\n")
    code, output = run(home, "check", "bucket", "--json")
    told = json.loads(output)["declared"][0]
    assert (code, told["problems"], [warning.split(",")[0] for warning in told["warnings"]]) == (
        0,
        [],
        ["the bucket is in eu-west-1"],
    )


def test_check_tells_of_a_secret_that_is_not_set_without_giving_up_on_the_rest(tmp_path: Path) -> None:
    keys = "access_key_id: {env: CT_NOT_SET}\nsecret_access_key: {env: CT_NOT_SET}\n"
    code, output = run(write_home(tmp_path, bucket=S3 + keys), "check", "--json")
    problems = {one["name"]: one["problems"] for one in json.loads(output)["declared"]}
    assert (code, problems["disk"]) == (1, [])
    assert problems["bucket"] == ["environment: CT_NOT_SET: is not set; a declared file takes a secret from it"]


def test_check_with_a_canary_tells_that_the_service_cannot_be_reached(tmp_path: Path) -> None:
    keys = "access_key_id: {env: HOME}\nsecret_access_key: {env: HOME}\nendpoint_url: http://127.0.0.1:9\n"
    home = write_home(tmp_path, bucket=S3 + keys)
    assert [run(home, "check", "bucket", *flags)[0] for flags in ([], ["--canary"])] == [0, 1]


def test_check_says_that_the_clock_could_not_be_compared(tmp_path: Path) -> None:
    keys = "access_key_id: {env: HOME}\nsecret_access_key: {env: HOME}\n"
    code, output = run(write_home(tmp_path, bucket=S3 + keys), "check", "bucket", "--json")
    summary = json.loads(output)["declared"][0]["summary"]
    assert (code, summary.partition(";")[2]) == (
        0,
        " clock not compared, the service can't be reached or tells no time",
    )


@pytest.mark.parametrize(("date", "code"), [("Sun, 01 Nov 2020 12:00:00 GMT", 1), (None, 0)])
def test_check_finds_a_clock_that_is_not_the_services(tmp_path: Path, date: str | None, code: int) -> None:
    keys = "access_key_id: {env: HOME}\nsecret_access_key: {env: HOME}\n"
    with answering(403, Date=date or formatdate(usegmt=True)) as url:
        home = write_home(tmp_path, bucket=f"{S3}{keys}endpoint_url: {url}\n")
        found, output = run(home, "check", "bucket", "--json", proxies={})
    told = json.loads(output)["declared"][0]
    assert (found, "clock right" in told["summary"], ["the service's" in one for one in told["problems"]]) == (
        code,
        not code,
        [True] * code,
    )
