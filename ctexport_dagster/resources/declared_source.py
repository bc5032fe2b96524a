"""What sources of people's own data declare alike: where their profiles, events and datasets lie."""

from typing import ClassVar, Generic, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.source import SourceDeclaration

Profiles = TypeVar("Profiles")
Events = TypeVar("Events")
Dataset = TypeVar("Dataset", bound=DeclaredDataset)


class DeclaredSource(SourceDeclaration, Generic[Profiles, Events, Dataset]):
    """A source that has what its file says a place of; each kind writes places in its own way."""

    what_places_are: ClassVar[str]
    """For who has declared none, as `each a SELECT`."""

    profiles: Profiles | None = None
    events: Events | None = None
    datasets: dict[str, Dataset] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not (self.has_profiles or self.has_events or self.datasets):
            raise ValueError(f"write `profiles:`, `events:` or `datasets:`, {self.what_places_are}")
        return self

    @property
    def has_profiles(self) -> bool:
        return self.profiles is not None

    @property
    def has_events(self) -> bool:
        return self.events is not None

    @property
    def declared_datasets(self) -> dict[str, Dataset]:
        return self.datasets

    def dataset(self, name: str, attempted: str) -> Dataset:
        """One of its datasets; `attempted` is what it is wanted for, in a sentence.

        Raises:
            SourceMissing: it declares none of this name.
        """
        declared = self.datasets.get(name)
        if declared is None:
            raise SourceMissing(attempted, "its declaration names no such dataset", "Add it to `datasets:`.")
        return declared


def alone(field: str, model: type) -> BeforeValidator:
    """Lets a text stand for a mapping that has this field alone."""
    return BeforeValidator(
        lambda declared: {field: declared} if isinstance(declared, str) else declared,
        json_schema_input_type=str | model,
    )
