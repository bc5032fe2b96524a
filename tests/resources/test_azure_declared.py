"""Azure's declarations: who is let in and how, what a check sees without a request, and what errors mean."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.access import Access, find_access
from ctexport_dagster.resources.azure.adls import AdlsDestination
from ctexport_dagster.resources.azure.blob import AzureBlobDestination
from ctexport_dagster.resources.azure.failures import AZURE
from ctexport_dagster.resources.azure.policy import policy

SIGNATURE = "c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
TOKEN = f"sv=2026-02-06&sr=c&sp=cw&se=2026-11-30T00:00:00Z&sig={SIGNATURE}"
KEY = "a2V5" * 22
HOST = "https://acmestorage.blob.core.windows.net"


def blob(**options: object) -> AzureBlobDestination:
    declared = {"type": "azure_blob", "name": "acme", "storage_account": "acmestorage", "container": "exports"}
    return AzureBlobDestination.model_validate({**declared, **options})


def lake(**options: object) -> AdlsDestination:
    declared = {"type": "adls", "name": "acme", "storage_account": "acmestorage", "container": "exports"}
    return AdlsDestination.model_validate({**declared, **options})


def given(field: str, value: str, **options: object) -> Access:
    return find_access(blob(**{field: {"env": "SECRET"}}, **options), {"SECRET": value}, "blob")


def mistakes(field: str, value: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        given(field, value)
    return str(caught.value)


@pytest.mark.req("P1")
def test_the_address_is_the_public_one_wherever_requests_go() -> None:
    private = blob(endpoint_url="https://10.0.0.4/acmestorage", prefix="crm")
    assert private.open(Surroundings(Path())).address("a.csv") == f"{HOST}/exports/crm/a.csv"
    assert lake().open(Surroundings(Path())).address("a.csv") == f"{HOST.replace('blob', 'dfs')}/exports/a.csv"
    assert blob(endpoint_suffix="core.chinacloudapi.cn").place("blob").split("/")[2].endswith("core.chinacloudapi.cn")


def test_a_sas_token_is_taken_with_or_without_its_question_mark() -> None:
    assert given("sas_token", f"?{TOKEN}\n") == given("sas_token", TOKEN) == Access(HOST, sas=TOKEN)


@pytest.mark.req("P1")
def test_a_landing_zones_url_gives_the_endpoint_and_the_token() -> None:
    assert given("sas_url", f"{HOST}/exports?{TOKEN}") == Access(HOST, sas=TOKEN)


def test_a_lakes_requests_go_to_the_dfs_endpoint_whatever_url_was_given() -> None:
    declared = lake(sas_url={"env": "SECRET"})
    found = find_access(declared, {"SECRET": f"{HOST}/exports?{TOKEN}"}, "dfs")
    assert found.endpoint == "https://acmestorage.dfs.core.windows.net"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"DefaultEndpointsProtocol=https;AccountName=acmestorage;AccountKey={KEY}==", Access(HOST, key=f"{KEY}==")),
        (f"BlobEndpoint={HOST}/;SharedAccessSignature={TOKEN}", Access(HOST, sas=TOKEN)),
        (
            f"AccountName=acmestorage;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn",
            Access("https://acmestorage.blob.core.chinacloudapi.cn", key=KEY),
        ),
    ],
)
def test_a_connection_string_gives_a_key_or_a_token(text: str, expected: Access) -> None:
    assert given("connection_string", text) == expected


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("sas_token", "sv=2026-02-06&sp=cw", "is no SAS token"),
        ("sas_token", f"{HOST}/exports {TOKEN}", "is no SAS token"),
        ("sas_url", f"{HOST}/others?{TOKEN}", "another container"),
        ("sas_url", f"{HOST}/?{TOKEN}", "another container"),
        ("sas_url", f"https://others.blob.core.windows.net/exports?{TOKEN}", "another account"),
        ("sas_url", TOKEN, "is no SAS URL"),
        ("account_key", "a key", "is no account key"),
        ("connection_string", f"AccountName=others;AccountKey={KEY}", "another account"),
        ("connection_string", "AccountName=acmestorage", "holds neither"),
        ("sas_token", "", "is not set"),
    ],
)
def test_a_variable_that_holds_something_else_is_named_and_its_value_is_not(field: str, value: str, says: str) -> None:
    told = mistakes(field, value)
    assert (says in told, "SECRET" in told) == (True, True)
    assert [word for word in (SIGNATURE, KEY, "others") if word in told.partition("SECRET")[2]] == []


def test_no_repr_shows_a_secret() -> None:
    access = given("sas_token", TOKEN)
    opened = blob(sas_token={"env": "SECRET"}).open(Surroundings(Path(), {"SECRET": TOKEN}))
    assert [text for text in (repr(access), repr(opened), repr(given("account_key", KEY))) if SIGNATURE in text] == []


@pytest.mark.parametrize(
    "options",
    [
        {"sas_token": {"env": "A"}, "account_key": {"env": "B"}},
        {"endpoint_url": "http://127.0.0.1:10000/acmestorage"},
        {"storage_account": "acmestorage.blob.core.windows.net"},
        {"container": "Exports"},
        {"container": "a--b"},
        {"prefix": "/crm"},
        {"sas_token": TOKEN},
    ],
    ids=lambda options: " ".join(options),
)
def test_a_declaration_that_can_not_work_is_refused(options: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        blob(**options)
    assert SIGNATURE not in str(caught.value)


NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.req("S10", "P37")
@pytest.mark.parametrize(
    ("token", "also", "says"),
    [
        ("sp=cw&se=2026-11-30&sig=x", {}, None),
        ("si=policy&sig=x", {}, None),
        ("sp=cw&se=2026-11-01T12:00:00Z&sig=x", {}, "the SAS token expired on 01 Nov 2026 at 12:00 UTC"),
        ("sp=rl&se=2026-11-30T00:00Z&sig=x", {}, "it lacks the right to create and write"),
        ("sp=cw&sig=x", {"m": "move"}, "it lacks the right to move"),
    ],
)
def test_a_sas_token_says_itself_what_it_lacks(token: str, also: Mapping[str, str], says: str | None) -> None:
    failure = Access(HOST, sas=token).shortcoming(NOW, also)
    assert (failure and failure.cause, failure and failure.whose) == (says, says and "customer")


def test_a_check_says_which_variable_is_not_set() -> None:
    with pytest.raises(ConfigurationError, match="ACME_SAS: is not set"):
        blob(sas_token={"env": "ACME_SAS"}).open(Surroundings(Path())).check()


def test_a_key_that_opens_the_whole_account_is_warned_of() -> None:
    assert [len(blob(**{field: {"env": "A"}}).warnings) for field in ("account_key", "sas_token")] == [1, 0]


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("status", "code", "happened"),
    [
        (403, "AuthenticationFailed", "Invalid Azure credentials"),
        (403, "AuthorizationPermissionMismatch", "All access to this container has been disabled"),
        (403, None, "All access to this container has been disabled"),
        (404, "ContainerNotFound", "The specified Azure container does not exist"),
        (409, "ContainerBeingDeleted", "The specified Azure container does not exist"),
    ],
)
def test_the_three_rows_of_the_error_table_are_told(status: int, code: str | None, happened: str) -> None:
    failure = AZURE.classify(code=code, status=status)
    assert (failure.whose, failure.happened) == ("customer", happened)


@pytest.mark.req("P37", "A12")
@pytest.mark.parametrize(
    ("status", "code", "whose"),
    [
        (409, "BlobAlreadyExists", "customer"),
        (409, "BlobImmutableDueToPolicy", "customer"),
        (412, "LeaseIdMissing", "customer"),
        (403, "AccountIsDisabled", "customer"),
        (403, "InsufficientAccountPermissions", "customer"),
        (403, "AuthorizationFailure", "customer"),
        (403, "ClockSkew", "ours"),
        (409, "SomethingNew", "ours"),
        (400, "Md5Mismatch", "transient"),
        (503, "ServerBusy", "transient"),
        (500, "OperationTimedOut", "transient"),
        (404, "PathNotFound", "transient"),
    ],
)
def test_the_code_decides_whose_an_error_is_not_its_status(status: int, code: str, whose: FailureClass) -> None:
    assert AZURE.classify(code=code, status=status).whose == whose


@pytest.mark.req("S4")
def test_the_policy_names_the_container_and_grants_no_more_than_writing() -> None:
    told = policy("acme-exports", account="acmestorage")
    assert told.count("--account-name acmestorage --name acme-exports --permissions cw") == 2
    assert [right for right in ("blobs/read", "blobs/delete", "containers/read") if right in told] == []
