"""The nested key of the original's devices, `dimensions`, taken apart where a format has a column for each field."""

import numpy as np

from ctexport_dagster.core.events.json_spans import Kind, object_entries
from ctexport_dagster.core.events.maps import MapEntries, with_names

DIMENSIONS = "dimensions"
DIMENSION_FIELDS = ("width", "height", "unit")


def split_dimensions(found: MapEntries) -> tuple[MapEntries, np.ndarray]:
    """The fields of all `dimensions` that have no others, under their events' rows; and which entries those were."""
    (places,) = np.nonzero(found.named(DIMENSIONS) & (found.values.kinds == Kind.OBJECT))
    fields = with_names(object_entries(found.values.where(places)))
    fits = np.zeros(len(places), bool)
    fits[fields.rows] = True
    fits[fields.rows[~fields.named(*DIMENSION_FIELDS)]] = False
    is_split = np.zeros(len(found.values), bool)
    is_split[places[fits]] = True
    return fields.where(fits[fields.rows]).under(found.rows[places]).present, is_split
