"""A secret in a declared file: the name of the environment variable that holds it, never the secret itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ctexport_dagster.core.errors import ConfigurationError, Mistake

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_FORM = "{env: NAME}"


@dataclass(frozen=True)
class Secret:
    """Declared as `{env: NAME}`. Its text, repr and dump show the variable's name; only `resolve` gives the value."""

    env: str

    def resolve(self, environment: Mapping[str, str]) -> str:
        """The secret.

        Raises:
            ConfigurationError: the variable isn't set, or is empty.
        """
        value = environment.get(self.env)
        if not value:
            raise ConfigurationError(
                [Mistake("environment", 0, self.env, "is not set; a declared file takes a secret from it")]
            )
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: {"env": secret.env})
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "object",
            "description": "The environment variable that holds the secret.",
            "properties": {"env": {"type": "string", "pattern": f"^{_NAME}$"}},
            "required": ["env"],
            "additionalProperties": False,
        }


def _parse(value: object) -> Secret:
    """No message may repeat what was declared: it may be the secret."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("secret_in_clear", f"a secret never stands in a file; write {_FORM}")
    name = value.get("env")
    if set(value) != {"env"} or not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise PydanticCustomError("secret_form", f"name the environment variable that holds the secret: {_FORM}")
    return Secret(name)
