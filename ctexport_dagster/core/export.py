"""The declaration of an export, as one YAML file under `assets/` gives it, and the versions that its edits make."""

import hashlib
import json
import re
from datetime import date, time
from typing import Annotated, Literal, Self
from zlib import crc32
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ctexport_dagster.core.interval import Cadence
from ctexport_dagster.core.profile import PREFERENCES, SYSTEM_PROPERTIES

FormatType = Literal["csv", "json", "xml", "parquet"]
Hours = Literal[3, 4, 6, 8, 12, 24]

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
GROUPS = "subscriptionGroups"


class Declared(BaseModel):
    """The base of everything declared: closed (an unknown key is a mistake) and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def parse_size(value: object) -> object:
    """`100 MB` → 100000000 (decimal units); an integer is bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)\s*", value)
    if match is None:
        raise ValueError(f"{value!r} is no size; write it as 100 MB")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_cadence(value: object) -> object:
    """`24h` → 24."""
    match = re.fullmatch(r"(\d+)h", value) if isinstance(value, str) else None
    return int(match[1]) if match else value


def parse_clock(value: object) -> object:
    """`"02:00"` → 02:00; YAML reads an unquoted 02:00 as a number of minutes, which is refused."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    raise ValueError('write a time of day in quotes, as "02:00"')


def known_zone(value: str) -> str:
    """An IANA time zone that this machine knows."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone; write an IANA name such as UTC or Asia/Kolkata") from None
    return value


ByteCount = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
EveryHours = Annotated[Hours, BeforeValidator(parse_cadence)]
ClockTime = Annotated[time, BeforeValidator(parse_clock)]
ZoneName = Annotated[str, BeforeValidator(known_zone)]


class Format(Declared):
    """The file format: `csv` alone, or a mapping with its options."""

    type: FormatType
    style: Literal["clevertap", "typed"] = "clevertap"
    compression: Literal["fast", "small", "zstd", "snappy", "none"] | None = None
    wrap: Literal["none", "gzip"] = "none"
    as_string: bool = False

    @model_validator(mode="after")
    def _fits_the_type(self) -> Self:
        if self.type != "parquet" and self.wrap != "none":
            raise ValueError("wrap is for parquet alone: the text formats are always gzip")
        allowed = ("zstd", "snappy", "none") if self.type == "parquet" else ("fast", "small")
        if self.compression not in (None, *allowed):
            raise ValueError(f"compression of {self.type} is one of {', '.join(allowed)}")
        return self

    @property
    def extension(self) -> str:
        """`csv.gz`, `json.gz`, `xml.gz`, `parquet` or `parquet.gz`."""
        if self.type == "parquet":
            return "parquet.gz" if self.wrap == "gzip" else "parquet"
        return f"{self.type}.gz"


class Files(Declared):
    """Where files go and what they are called: presets or templates (core/naming.py checks those)."""

    folder: str = "bucket_root"
    name: str = "default"
    chunk_size: ByteCount = 100_000_000
    empty: Literal["none", "header"] = "none"
    manifest_prefix: Literal["", "_"] = ""


class Identity(Declared):
    """Which identifiers go out, in which order of priority."""

    order: tuple[str, ...] = ("Identity", "Email", "Phone")
    values: Literal["single", "all"] = "single"
    all_identities: bool = False
    clevertap_id: bool = True

    @field_validator("order")
    @classmethod
    def _at_least_one(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if not order:
            raise ValueError("name at least one of Identity, Email, Phone or a property")
        if len(set(order)) != len(order):
            raise ValueError("an identifier stands in the order twice")
        return order


class Columns(Declared):
    """Which device data, preferences and properties go out, renamed and ordered how."""

    device: bool = True
    communication: Literal["all"] | tuple[str, ...] = ()
    properties: Literal["all", "system"] | tuple[str, ...] = "all"
    rename: dict[str, str] = Field(default_factory=dict)
    order: tuple[str, ...] = ()
    on_new_property: Literal["append", "lock"] = "append"

    @field_validator("communication")
    @classmethod
    def _known_preferences(cls, chosen: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        if chosen == "all":
            return chosen
        for name in chosen:
            if name not in (*PREFERENCES, GROUPS):
                raise ValueError(f"{name!r} is none of {', '.join((*PREFERENCES, GROUPS))}")
        if len(set(chosen)) != len(chosen):
            raise ValueError("a preference stands in the list twice")
        return chosen

    @field_validator("properties")
    @classmethod
    def _real_properties(
        cls, chosen: Literal["all", "system"] | tuple[str, ...]
    ) -> Literal["all", "system"] | tuple[str, ...]:
        if isinstance(chosen, str):
            return chosen
        if not chosen:
            raise ValueError("choose at least one property")
        for name in chosen:
            if name.lower() in ("identity", "clevertapid", "clevertap id"):
                raise ValueError(f"{name} is an identifier: choose it under identity, not as a property")
        if len(set(chosen)) != len(chosen):
            raise ValueError("a property stands in the list twice")
        return chosen

    @field_validator("rename")
    @classmethod
    def _real_headers(cls, rename: dict[str, str]) -> dict[str, str]:
        for name, header in rename.items():
            if not header.strip():
                raise ValueError(f"the new name of {name} is empty")
        return rename

    @property
    def preferences(self) -> tuple[str, ...]:
        """The chosen preferences in output order, `subscriptionGroups` among them."""
        return (*PREFERENCES, GROUPS) if self.communication == "all" else self.communication

    @property
    def listed_properties(self) -> tuple[str, ...] | None:
        """The properties chosen by name; None for all of them."""
        if self.properties == "system":
            return SYSTEM_PROPERTIES
        return None if self.properties == "all" else self.properties


class Schedule(Declared):
    """When the export runs; zone, start and cadence default to the source's."""

    every: EveryHours | None = None
    at: ClockTime = time(0)
    timezone: ZoneName | None = None
    start: date | None = None
    end: date | None = None
    mode: Literal["incremental", "full"] = "incremental"

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.start and self.end and self.end <= self.start:
            raise ValueError("end must lie after start")
        return self


class Export(Declared):
    """One declared export; `name` is the file's stem and stands in no file."""

    name: str
    kind: Literal["profiles"] = "profiles"
    description: str | None = None
    owner: str
    source: str
    destination: str
    account_id: int = Field(ge=0)
    export_id: int | None = Field(default=None, ge=0)
    format: Annotated[Format, BeforeValidator(lambda v: {"type": v} if isinstance(v, str) else v)]
    files: Files = Files()
    identity: Identity = Identity()
    columns: Columns = Columns()
    schedule: Schedule = Schedule()
    strict: bool = False
    on_edit: Literal["full", "increment"] = "full"
    on_rerun: Literal["overwrite", "new_names"] = "overwrite"

    @field_validator("owner")
    @classmethod
    def _an_address(cls, owner: str) -> str:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", owner):
            raise ValueError("owner is the e-mail address that failures are sent to")
        return owner

    @property
    def effective_export_id(self) -> int:
        """The declared export id, else one derived from the name. Source: REQUIREMENTS P9."""
        return self.export_id if self.export_id is not None else 1_000_000_000 + crc32(self.name.encode()) % 10**9

    @property
    def configuration_version(self) -> str:
        """A hash of the whole declaration: any edit is a new version. Source: REQUIREMENTS S8."""
        return _fingerprint(self.model_dump(mode="json"))

    @property
    def content_version(self) -> str:
        """A hash of what shapes the rows and columns: identity, columns and format. Source: REQUIREMENTS P26."""
        return _fingerprint(self.model_dump(mode="json", include={"identity", "columns", "format"}))

    def cadence(self, source: Cadence) -> Cadence:
        """The export's windows; what the schedule leaves open is the source's."""
        return Cadence(
            zone=ZoneInfo(self.schedule.timezone) if self.schedule.timezone else source.zone,
            hours=self.schedule.every or source.hours,
            start=self.schedule.start or source.start,
            end=self.schedule.end or source.end,
        )


def _fingerprint(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
