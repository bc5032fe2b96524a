"""The file formats of events: one module each, all with the shape of core/formats (`layout.RowFormat`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never
from zoneinfo import ZoneInfo

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.events.formats.csv import EventCsv
from ctexport_dagster.core.events.formats.json import EventJson
from ctexport_dagster.core.events.formats.layout import EventFile, EventRows
from ctexport_dagster.core.events.formats.parquet import EventParquet, TypedTable, UnionTable
from ctexport_dagster.core.events.formats.xml import EventXml
from ctexport_dagster.core.events.maps import MapKeys
from ctexport_dagster.core.events.types import KeyTypes


@dataclass(frozen=True)
class EventFormats:
    """The formats of a partition's files, event by event: what an export declares, and what its events hold."""

    declared: EventFormat
    plan: ColumnPlan
    zone: ZoneInfo
    keys: Mapping[str, MapKeys]
    """Event → the keys of its maps in the partition."""
    types: Mapping[str, KeyTypes]
    """Event → the types of its keys; wanted for Parquet in the style `typed` alone."""

    def of(self, event: str) -> EventRows:
        """The format of one event's files."""
        match self.declared.type:
            case "csv":
                return EventCsv(self.declared, self._file(event))
            case "json":
                return self._json.headed(event)
            case "xml":
                return self._xml
            case "parquet" if self.declared.style == "typed":
                table = TypedTable(self._file(event), self.types.get(event, {}), self.declared.as_string)
                return EventParquet(self.declared, table)
            case "parquet":
                return self._parquet
            case _:
                assert_never(self.declared.type)

    @property
    def is_by_event(self) -> bool:
        """Whether the columns are those of one event, so that rows of several can't be formatted at once."""
        return self.declared.type == "csv" or (self.declared.type == "parquet" and self.declared.style == "typed")

    def _file(self, event: str) -> EventFile:
        return EventFile(self.plan, self.keys.get(event, {}), self.zone)

    @cached_property
    def _json(self) -> EventJson:
        return EventJson(self.declared, self.plan, self.zone)

    @cached_property
    def _xml(self) -> EventXml:
        return EventXml(self.declared, self.plan, self.zone)

    @cached_property
    def _parquet(self) -> EventParquet:
        return EventParquet(self.declared, UnionTable(self.plan, self.declared.as_string))
