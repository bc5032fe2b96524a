"""Secrets: declared by the name of a variable, shown by it alone."""

import pytest
from pydantic import ValidationError

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.secret import Secret


class Vault(Declared):
    key: Secret


DECLARED = {"key": {"env": "VAULT_KEY"}}


@pytest.mark.req("B8")
def test_a_secret_is_read_from_the_environment_when_asked() -> None:
    assert Vault.model_validate(DECLARED).key.resolve({"VAULT_KEY": "hunter2"}) == "hunter2"


@pytest.mark.parametrize("environment", [{}, {"VAULT_KEY": ""}])
def test_a_variable_that_is_not_set_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Vault.model_validate(DECLARED).key.resolve(environment)
    assert str(caught.value) == "environment: VAULT_KEY: is not set; a declared file takes a secret from it"


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    "declared",
    ["hunter2", 12345, ["hunter2"], {"env": "hunter2!"}, {"env": "A", "value": "hunter2"}, {"value": "hunter2"}],
)
def test_anything_but_a_variables_name_is_refused_without_repeating_it(declared: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Vault.model_validate({"key": declared})
    assert ("{env: NAME}" in str(caught.value), "hunter2" in str(caught.value)) == (True, False)


@pytest.mark.req("B8")
def test_a_secret_in_a_field_for_something_else_is_not_repeated_either() -> None:
    with pytest.raises(ValidationError) as caught:
        Vault.model_validate({**DECLARED, "note": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_dump_can_be_read_back() -> None:
    vault = Vault.model_validate(DECLARED)
    assert (vault.model_dump(mode="json"), Vault.model_validate(vault.model_dump())) == (DECLARED, vault)
