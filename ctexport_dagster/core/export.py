"""The declaration of an export, as one YAML file under `assets/` gives it, and the versions that its edits make."""

import hashlib
import json
import re
from datetime import time, timedelta
from typing import Annotated, Literal, get_args
from zlib import crc32
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema, field_validator

from ctexport_dagster.core.declared import CADENCES, ByteCount, ClockTime, Day, Declared, Hours, ZoneName, parse_cadence
from ctexport_dagster.core.interval import DAILY_HOURS, Cadence
from ctexport_dagster.core.profile import PREFERENCES, SYSTEM_PROPERTIES
from ctexport_dagster.core.ranges import DateRange, NamedRange

ExportKind = Literal["profiles", "events", "datasets"]
FormatType = Literal["csv", "json", "xml", "parquet"]
Compression = Literal["fast", "small", "zstd", "snappy", "gzip", "none"]

GROUPS = "subscriptionGroups"
_TEXT_COMPRESSIONS: tuple[Compression, ...] = ("fast", "small")
_PARQUET_COMPRESSIONS: tuple[Compression, ...] = ("zstd", "snappy", "gzip", "none")
ONCE = "once"


def _parse_every(value: object) -> object:
    if value == ONCE:
        return value
    try:
        return parse_cadence(value)
    except ValueError as problem:
        raise ValueError(f"{problem} or {ONCE}") from None


Every = Annotated[
    Literal["once"] | Hours,
    BeforeValidator(_parse_every),
    PlainSerializer(lambda every: every if every == ONCE else f"{every}h", when_used="json"),
    WithJsonSchema({"enum": [ONCE, *CADENCES, *get_args(Hours)]}),
]


class Format(Declared):
    """The file format: `csv` alone, or a mapping with its options."""

    type: FormatType
    """csv, json (one object a line), xml or parquet."""
    style: Literal["clevertap", "typed"] = "clevertap"
    """clevertap: names, nesting and value shapes as CleverTap's samples; typed: arrays, objects, flat typed Parquet."""
    compression: Compression | None = None
    """fast or small for csv, json and xml (always gzip); zstd, snappy, gzip or none inside parquet."""
    wrap: Literal["none", "gzip"] = "none"
    """gzip: a Parquet file inside a gzip file, which most engines can't read."""
    as_string: bool = False
    """Writes every value as text."""

    @field_validator("compression")
    @classmethod
    def _compresses_the_type(cls, compression: Compression | None, info: ValidationInfo) -> Compression | None:
        if compression is None or "type" not in info.data:
            return compression
        allowed = _PARQUET_COMPRESSIONS if info.data["type"] == "parquet" else _TEXT_COMPRESSIONS
        if compression not in allowed:
            raise ValueError(f"the compression of {info.data['type']} is one of {', '.join(allowed)}")
        return compression

    @field_validator("wrap")
    @classmethod
    def _wraps_parquet_alone(cls, wrap: str, info: ValidationInfo) -> str:
        if wrap != "none" and info.data.get("type", "parquet") != "parquet":
            raise ValueError("wrap is for parquet alone: the text formats are always gzip")
        return wrap

    @property
    def extension(self) -> str:
        """`csv.gz`, `json.gz`, `xml.gz`, `parquet` or `parquet.gz`."""
        if self.type == "parquet":
            return "parquet.gz" if self.wrap == "gzip" else "parquet"
        return f"{self.type}.gz"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a plan should tell people about the format. Source: REQUIREMENTS P11."""
        if self.wrap == "none":
            return ()
        return ("most query engines can't read Parquet files wrapped in gzip; leave wrap out for plain .parquet",)


class Files(Declared):
    """Where files go and what they are called: presets or templates."""

    folder: str = "bucket_root"
    """bucket_root, data_type, run_date, export_id, or a template such as {{Date}}/run-{{Export-id}}."""
    name: str = "default"
    """default, clevertap_legacy, or a template such as profiles-{{Date}}."""
    chunk_size: ByteCount = 100_000_000
    """The most bytes of one delivered file."""
    empty: Literal["none", "header"] = "none"
    """What a day without rows delivers beside its manifest: nothing, or a file with the header alone."""
    manifest_prefix: Literal["", "_"] = ""
    """_ where readers of the folder skip names that begin with it."""


class Identity(Declared):
    """Which identifiers go out, in which order of priority."""

    order: tuple[str, ...] = ("Identity", "Email", "Phone")
    """Identity, Email, Phone, or any property."""
    values: Literal["single", "all"] = "single"
    """single: the first identifier that a profile has; all: every one."""
    all_identities: bool = False
    """Adds a column of all account-defined identifiers."""
    clevertap_id: bool = True
    """Adds the columns clevertapId and clevertapIds."""

    @field_validator("order")
    @classmethod
    def _at_least_one(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if not order:
            raise ValueError("name at least one of Identity, Email, Phone or a property")
        return _once_each(order, "an identifier")


class Columns(Declared):
    """Which device data, preferences and properties go out, renamed and ordered how."""

    device: bool = True
    """Adds the device token."""
    communication: Literal["all"] | tuple[str, ...] = ()
    """all, or any of MSG-push, MSG-push-all, MSG-webpush, MSG-email, MSG-sms, MSG-whatsapp, subscriptionGroups."""
    properties: Literal["all", "system"] | tuple[str, ...] = "all"
    """all, system (Name, Gender, DOB, Email, Phone, Photo), or a list of properties."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Property or column: its header in the files."""
    order: tuple[str, ...] = ()
    """These properties first, the rest after."""
    on_new_property: Literal["append", "lock"] = "append"
    """What a new property of the source becomes: one more column at the end, or nothing until the export is edited."""

    @field_validator("communication")
    @classmethod
    def _known_preferences(cls, chosen: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        return known_preferences(chosen)

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
        return _once_each(chosen, "a property")

    @field_validator("rename")
    @classmethod
    def _real_headers(cls, rename: dict[str, str]) -> dict[str, str]:
        for name, header in rename.items():
            if not header.strip():
                raise ValueError(f"the new name of {name} is empty")
        return rename

    @field_validator("order")
    @classmethod
    def _ordered_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        return _once_each(order, "a property")

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

    every: Every | None = None
    """once, or 3h, 4h, 6h, 8h, 12h or 24h; windows are cut at midnight of the time zone."""
    at: ClockTime = time(0)
    """For 24h, the time of day of the run; else the delay after a window's end."""
    timezone: ZoneName | None = None
    """An IANA name."""
    start: Day | None = Field(default=None, validate_default=True)
    """The first day; of a one-time export, the day that it exports."""
    range: DateRange | NamedRange | None = None
    """The days that a one-time export of events covers: {from: 2026-11-01, to: 2026-11-07}, the last one included, or
    previous_month or current_month, as seen from start; by default the day of start alone."""
    end: Day | None = None
    """The day before which the export ends; null for never."""
    mode: Literal["incremental", "full"] = "incremental"
    """incremental: after a full first partition, what changed; full: everything each time."""

    @field_validator("end")
    @classmethod
    def _ends_after_it_starts(cls, end: Day | None, info: ValidationInfo) -> Day | None:
        start = info.data.get("start")
        if start and end and end <= start:
            raise ValueError("end must lie after start")
        if end and info.data.get("every") == ONCE:
            raise ValueError("a one-time export ends by itself: leave end out")
        return end

    @field_validator("start")
    @classmethod
    def _once_has_its_day(cls, start: Day | None, info: ValidationInfo) -> Day | None:
        if start is None and info.data.get("every") == ONCE:
            raise ValueError("every: once needs start, the day that is exported")
        return start

    @field_validator("range")
    @classmethod
    def _goes_with_once(
        cls, days: DateRange | NamedRange | None, info: ValidationInfo
    ) -> DateRange | NamedRange | None:
        if days is not None and info.data.get("every") != ONCE:
            raise ValueError("range goes with every: once")
        return days

    @property
    def is_once(self) -> bool:
        """Whether the export runs a single time. Source: REQUIREMENTS P24."""
        return self.every == ONCE


class DeclaredExport(Declared):
    """What exports of every kind declare; `name` is the file's stem and stands in no file."""

    name: str
    kind: ExportKind
    """What is exported."""
    description: str | None = None
    """For people, shown in Dagster."""
    owner: str
    """The e-mail address that failures are sent to."""
    source: str
    """The name of a source: the stem of its file under resources/."""
    destination: str
    """The name of a destination: the stem of its file under resources/."""
    account_id: int = Field(ge=0)
    """The account's number, part of the default file name."""
    export_id: int | None = Field(default=None, ge=0)
    """The export's number, part of the default file name; derived from the export's name if left out."""
    format: Annotated[Format, BeforeValidator(lambda v: {"type": v} if isinstance(v, str) else v)]
    files: Files = Files()
    schedule: Schedule = Schedule()
    on_rerun: Literal["overwrite", "new_names"] = "overwrite"
    """What a re-run with other bytes does: overwrites its files, or gives them new names (write-once buckets)."""

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
    def hold(self) -> timedelta:
        """How much later than its time a run is due."""
        return timedelta(0)

    @property
    def configuration_version(self) -> str:
        """A hash of the whole declaration: any edit is a new version. Source: REQUIREMENTS S8."""
        return _fingerprint(self.model_dump(mode="json"))

    @property
    def content_version(self) -> str:
        """A hash of what shapes the rows and columns. Source: REQUIREMENTS P26."""
        return _fingerprint(self.model_dump(mode="json", include=self.shaping))

    @property
    def shaping(self) -> set[str]:
        """The fields that shape rows and columns."""
        return {"format"}

    def cadence(self, source: Cadence) -> Cadence:
        """The export's windows; what the schedule leaves open is the source's. A one-time export has a single one."""
        schedule = self.schedule
        zone = ZoneInfo(schedule.timezone) if schedule.timezone else source.zone
        start = schedule.start or source.start
        if schedule.every == "once":
            return Cadence(zone, DAILY_HOURS, start, start + timedelta(days=1))
        return Cadence(zone, schedule.every or source.hours, start, schedule.end or source.end)


class PersonExport(DeclaredExport):
    """What exports of profiles and of events declare: the persons in them."""

    identity: Identity = Identity()


class Export(PersonExport):
    """One declared export of profiles."""

    kind: Literal["profiles"] = "profiles"  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen)
    """What is exported."""
    columns: Columns = Columns()
    strict: bool = False
    """Turns warnings about column names and unknown identifiers into errors."""
    on_edit: Literal["full", "increment"] = "full"
    """What the partition after an edit of identity, columns or format carries: everything, or what changed."""

    @property
    def shaping(self) -> set[str]:
        """Identity, columns and format."""
        return {"identity", "columns", "format"}


def known_preferences(chosen: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
    """The chosen communication preferences, all of them real and none twice.

    Raises:
        ValueError: one isn't.
    """
    if chosen == "all":
        return chosen
    for name in chosen:
        if name not in (*PREFERENCES, GROUPS):
            raise ValueError(f"{name!r} is none of {', '.join((*PREFERENCES, GROUPS))}")
    return _once_each(chosen, "a preference")


def _once_each(names: tuple[str, ...], noun: str) -> tuple[str, ...]:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise ValueError(f"{noun} stands in the list twice: {twice}")
    return names


def _fingerprint(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
