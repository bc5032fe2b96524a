"""The columns of demo profiles: what stands in each, given what has happened to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ctexport_dagster.resources.demo import words as words
from ctexport_dagster.resources.demo.history import Flags, History, Numbers, mixed

_EPOCH_DAY_2020 = 18_262
_DAY_MICROS = 86_400_000_000
_HOUR_MICROS = 3_600_000_000


def profile_frame(past: History, starts: Mapping[int, int], *, tiers_from: int) -> pl.DataFrame:
    """The profiles in the model's raw columns, in the order of their ids; the deleted and merged are among them.

    `starts` gives the instant (epoch µs) at which each step in `past.touched` starts. `loyalty_tier` is a column from
    the step `tiers_from` on, filled for whoever was touched since: else everybody would change on that day.
    """
    draw = _Draws(past)
    groups = (_keys, _preferences, _system_properties, _texts, _typed)
    columns = [column.alias(name) for group in groups for name, column in group(past, draw).items()]
    columns.append(_updates(past, draw, starts).alias("updatedAt"))
    if past.step >= tiers_from:
        columns.append(_only(past.touched >= tiers_from, _pick(words.TIERS, draw())).alias("loyalty_tier"))
    return pl.DataFrame(columns)


def clevertap_ids(keys: Numbers) -> pl.Series:
    """The id of each profile."""
    return _numbered("__g", keys)


class _Draws:
    """A fresh hash of each profile with every call; with a group, one that changes with the group's version."""

    def __init__(self, past: History) -> None:
        self._past = past
        self._salt = 100

    def __call__(self, group: int | None = None) -> Numbers:
        self._salt += 1
        if group is None:
            return mixed(self._past.key, self._salt)
        return mixed(self._past.key + mixed(self._past.group_version(group), 7), self._salt)

    def chance(self, share: float) -> Flags:
        """True for this share of the profiles, for good."""
        return self() % np.uint64(10_000) < share * 10_000

    def below(self, limit: int, group: int | None = None) -> NDArray[np.int64]:
        """A number from 0 below the limit."""
        return (self(group) % np.uint64(limit)).astype(np.int64)


def _keys(past: History, draw: _Draws) -> dict[str, pl.Series]:
    own = clevertap_ids(past.key)
    devices, users = draw.below(10), draw.below(100)
    older = [_only(devices < bound, _numbered(prefix, draw())) for bound, prefix in ((3, "Ne22k5-"), (1, "xQ90-"))]
    merged = _only(past.merges <= past.step, clevertap_ids(past.partner_key))
    number = pl.Series(past.ids).cast(pl.String)
    return {
        "clevertapId": own,
        "clevertapIds": _lists(own, *older, merged),
        "identity": _lists(_only(users < 70, "user_" + number), _only(users < 8, "member-" + number)),
        "device": pl.DataFrame({"token": _only(draw.chance(0.7), _numbered("fcm:", draw(0)))}).to_struct("device"),
    }


def _updates(past: History, draw: _Draws, starts: Mapping[int, int]) -> pl.Series:
    steps, where = np.unique(past.touched, return_inverse=True)
    micros = np.array([starts[step] for step in steps.tolist()], dtype=np.int64)[where]
    return pl.Series(micros + draw.below(_HOUR_MICROS)).cast(pl.Datetime("us", "UTC"))


def _preferences(past: History, draw: _Draws) -> dict[str, pl.Series]:
    named = {
        name: _only(draw.chance(0.9), pl.Series(draw.below(10, group=1) > 1))
        for name in ("MSG-push", "MSG-push-all", "MSG-webpush", "MSG-email", "MSG-sms", "MSG-whatsapp")
    }
    groups = {
        name: _only(draw.chance(0.6), _pick(("Subscribed", "Unsubscribed"), draw(1)))
        for name in ("Newsletter", "Offers & News", "Öffentlich")
    }
    return {**named, "subscriptionGroups": pl.DataFrame(groups).to_struct("subscriptionGroups")}


def _system_properties(past: History, draw: _Draws) -> dict[str, pl.Series]:
    number = pl.Series(past.ids).cast(pl.String)
    given, family = _pick(words.GIVEN, draw()), _pick(words.FAMILY, draw())
    version = pl.Series(past.group_version(2))
    email = pl.select(
        pl.when(pl.lit(version) == 0)
        .then(pl.format("user{}@example.com", pl.lit(number)))
        .otherwise(pl.format("user{}.{}@example.org", pl.lit(number), pl.lit(version)))
    ).to_series()
    birthdays = _EPOCH_DAY_2020 - 7_000 - draw.below(18_000)
    return {
        "Email": _only(draw.chance(0.85), email),
        "Phone": _only(draw.chance(0.8), _phones(draw)),
        "Name": _only(draw.chance(0.97), given + " " + family),
        "Gender": _only(draw.chance(0.8), _pick(words.GENDERS, draw())),
        "DOB": _only(draw.chance(0.5), pl.Series(birthdays).cast(pl.Int32).cast(pl.Date)),
        "Photo": _only(draw.chance(0.2), "https://example.com/photo/" + number + ".jpg"),
    }


def _phones(draw: _Draws) -> pl.Series:
    """Numbers of the range kept for fiction (555-01xx); one in a thousand isn't E.164."""
    area = _pick(words.AREA_CODES, draw())
    digits = pl.Series(draw.below(100)).cast(pl.String).str.zfill(2)
    good = "+1" + area + "55501" + digits
    bad = "(" + area + ") 555-01" + digits
    return good.zip_with(pl.Series(draw.below(1000) > 0), bad)


def _texts(past: History, draw: _Draws) -> dict[str, pl.Series]:
    plan = _pick(words.PLANS, draw(3))
    return {
        "Customer Type": _pick(words.CUSTOMER_TYPES, draw()),
        "crm_id": _only(draw.chance(0.6), "CRM-" + pl.Series(past.ids).cast(pl.String).str.zfill(8)),
        "Plan": plan,
        "plan": _only(draw.chance(0.3), plan.str.to_lowercase()),
        "Blood Group": _only(draw.chance(0.4), _pick(words.BLOOD_GROUPS, draw())),
        "Designation": _only(draw.chance(0.4), _pick(words.DESIGNATIONS, draw())),
        "Notes 📝": _only(draw.chance(0.3), _pick(words.NOTES, draw(4))),
        "Favourite Games": _lists(
            *(_only(draw.chance(share), _pick(words.GAMES, draw())) for share in (0.8, 0.4)), empty=draw.chance(0.1)
        ),
        "Interests": _lists(_only(draw.chance(0.5), _pick(words.INTERESTS, draw(4)))),
    }


def _typed(past: History, draw: _Draws) -> dict[str, pl.Series]:
    places, has_place = draw.below(len(words.CITIES)), draw.chance(0.7)
    seen = (_EPOCH_DAY_2020 + draw.below(2_000, group=5)) * _DAY_MICROS + draw.below(_DAY_MICROS)
    first = (_EPOCH_DAY_2020 - draw.below(2_000)) * _DAY_MICROS
    return {
        "City": _only(has_place, pl.Series([city[0] for city in words.CITIES]).gather(places)),
        "Lat": _only(has_place, pl.Series([city[1] for city in words.CITIES]).gather(places)),
        "Long": _only(has_place, pl.Series([city[2] for city in words.CITIES]).gather(places)),
        "CT_Test_User": _only(draw.chance(0.05), pl.Series(draw.chance(0.5))),
        "Score": _only(draw.chance(0.9), pl.Series(draw.below(1_001, group=5))),
        "Loyalty Points": _only(draw.chance(0.5), pl.Series(draw.below(2**40, group=5))),
        "Lifetime Value": _only(draw.chance(0.8), pl.Series(draw.below(10_000_000, group=5) / 100)),
        "Discount Rate": _only(draw.chance(0.3), pl.Series(draw.below(50, group=3) / 100).cast(pl.Float32)),
        "Is Subscriber": pl.Series(draw.below(2, group=3) == 1),
        "Last Purchase": _only(draw.chance(0.6), pl.Series(seen // _DAY_MICROS).cast(pl.Int32).cast(pl.Date)),
        "Last Seen": pl.Series(seen).cast(pl.Datetime("us", "UTC")),
        "First Visit": _only(draw.chance(0.9), pl.Series(first).cast(pl.Datetime("us", "UTC"))),
    }


def _pick(choices: Sequence[str], draw: Numbers) -> pl.Series:
    return pl.Series(choices, dtype=pl.String).gather(draw % np.uint64(len(choices)))


def _numbered(prefix: str, numbers: Numbers) -> pl.Series:
    return prefix + pl.Series(numbers).cast(pl.String)


def _only(where: Flags, values: pl.Series) -> pl.Series:
    return values.zip_with(pl.Series(where), pl.Series([None], dtype=values.dtype))


def _lists(*items: pl.Series, empty: Flags | None = None) -> pl.Series:
    """Lists of the items that aren't null; null for none, unless `empty` says that there is an empty list."""
    named = pl.DataFrame([item.alias(str(place)) for place, item in enumerate(items)])
    lists = named.select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()
    kept = lists.list.len() > 0
    return _only((kept | pl.Series(empty) if empty is not None else kept).to_numpy(), lists)
