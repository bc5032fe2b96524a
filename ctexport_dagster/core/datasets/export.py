"""The declaration of a flow: one or several datasets of a source that go out together."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, field_validator

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.declared import Hold
from ctexport_dagster.core.export import DeclaredExport

ADOBE = "adobe"
ADOBE_MAX_AGE_DAYS = 365
_MOST_DAYS = 36_500


class DatasetExport(DeclaredExport):
    """One declared flow of datasets; they share its schedule, format and destination. Source: REQUIREMENTS A1, A2."""

    kind: Literal["datasets"] = "datasets"  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen)
    """What is exported."""
    datasets: tuple[str, ...]
    """The names of the source's datasets."""
    format: Annotated[  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen: nobody assigns another one)
        DatasetFormat, BeforeValidator(lambda v: {"type": v} if isinstance(v, str) else v)
    ]
    max_age_days: int | Literal["none"] | None = None
    """Rows older than this at the window's end, by the dataset's timestamp, are left out. By default none are; of files
    that are named adobe, those older than 365 days, unless `none` is written here."""
    allowed_lateness: Hold = timedelta(0)
    """How long the run waits after its time for what the source delivers late, as 2h or 30m."""
    on_edit: Literal["full", "increment"] = "full"
    """What the partition after an edit of the format carries: everything, or what was added."""

    @field_validator("max_age_days")
    @classmethod
    def _at_least_a_day(cls, days: int | Literal["none"] | None) -> int | Literal["none"] | None:
        if isinstance(days, int) and not 1 <= days <= _MOST_DAYS:
            raise ValueError(f"write how many days, 1 to {_MOST_DAYS}, or none")
        return days

    @field_validator("datasets")
    @classmethod
    def _real_names(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        if not chosen:
            raise ValueError("name at least one dataset of the source")
        twice = next((name for place, name in enumerate(chosen) if name in chosen[:place]), None)
        if twice is not None:
            raise ValueError(f"a dataset stands in the list twice: {twice}")
        return chosen

    @property
    def hold(self) -> timedelta:
        """What is allowed for lateness."""
        return self.allowed_lateness

    @property
    def is_adobe(self) -> bool:
        """Whether files and manifests are named and shaped as Adobe's."""
        return self.files.name == ADOBE

    @property
    def effective_max_age_days(self) -> int | None:
        """The age beyond which rows are left out. Source: REQUIREMENTS A9."""
        if self.max_age_days is None:
            return ADOBE_MAX_AGE_DAYS if self.is_adobe else None
        return None if self.max_age_days == "none" else self.max_age_days
