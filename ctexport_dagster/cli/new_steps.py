"""The four steps of `ctexport new`: each asks what its flags left open, and shows what follows from the answers."""

from collections.abc import Sequence

from ctexport_dagster.cli.asking import Asker
from ctexport_dagster.cli.new_session import Session
from ctexport_dagster.cli.new_views import show_columns, show_files, show_identities
from ctexport_dagster.core.datasets.naming import DATASET_RULES
from ctexport_dagster.core.declared import CADENCES
from ctexport_dagster.core.errors import ExportError, Mistake
from ctexport_dagster.core.export import GROUPS, ONCE, Export
from ctexport_dagster.core.identifiers import ACCOUNT_DEFINED
from ctexport_dagster.core.naming import PROFILE_RULES
from ctexport_dagster.core.profile import PREFERENCES
from ctexport_dagster.wizard.drafts import about, export_draft
from ctexport_dagster.wizard.looking import look

FORMATS = ("csv", "json", "xml", "parquet")


def files_step(session: Session, asker: Asker) -> None:
    """Where files go, in which format, under which names."""
    said = session.answers
    rules, named = (DATASET_RULES, "{{Dataset-name}}") if said.is_flow else (PROFILE_RULES, "profiles")
    if said.format is None:
        said.format = asker.one_of("Format", FORMATS, "csv")
    if said.account_id is None:
        default = next((str(known.model.account_id) for known in session.declared.exports.values()), None)
        check = session.export_check("account_id", "account_id")
        said.account_id = asker.text("Account number, part of the default file name", default, check)
    if said.owner is None:
        default = next((known.model.owner for known in session.declared.exports.values()), None)
        question = "E-mail address that failures are sent to"
        said.owner = asker.text(question, default, session.export_check("owner", "owner"))
    if said.folder is None:
        question = f"Folder: {', '.join(rules.folders)}, or a template such as {{{{Date}}}}/run-{{{{Export-id}}}}"
        said.folder = asker.text(question, "bucket_root", session.export_check("folder", "files.folder"))
    if said.file_name is None:
        question = f"File name: {', '.join(rules.names)}, or a template such as {named}-{{{{Date}}}}"
        said.file_name = asker.text(question, "default", session.export_check("file_name", "files.name"))
    show_files(session, asker.console)


def look_at_source(session: Session) -> None:
    """Reads what the source has, for the steps that pick from it; notes why, where it can't be read."""
    source = session.source()
    if source is None:
        session.unseen = "its file holds a mistake; `ctexport check` names it"
        return
    export, _ = export_draft(session.answers.name, {}, Export)
    if export is None:
        return
    try:
        session.seen = look(export, source, session.surroundings, session.state, session.now)
    except ExportError as problem:
        session.unseen = problem.happened


def identifiers_step(session: Session, asker: Asker) -> None:
    """Which identifiers go out, by which priority."""
    said = session.answers
    if said.identifiers is None:
        further = [name for name in session.properties if name not in ACCOUNT_DEFINED]
        known = [*ACCOUNT_DEFINED, *further] if session.seen else []
        if known:
            asker.say(numbered(known))
        question = "Identifiers by priority, divided by commas (any property can be one)"
        said.identifiers = asker.some_of(question, known, ", ".join(ACCOUNT_DEFINED))
    if said.identity_values is None:
        question = "The first identifier that a profile has, or all"
        said.identity_values = asker.one_of(question, ("single", "all"), "single")
    if said.all_identities is None:
        said.all_identities = asker.yes("Add a column of all account-defined identifiers?", default=False)
    if said.clevertap_id is None:
        said.clevertap_id = asker.yes("Add clevertapId and clevertapIds?", default=True)
    show_identities(session, asker.console)


def properties_step(session: Session, asker: Asker) -> None:
    """Which columns go out, in which order, under which headers."""
    said, known = session.answers, session.properties
    if said.device is None:
        said.device = asker.yes("Add the device token?", default=True)
    if said.communication is None:
        preferences = (*PREFERENCES, GROUPS)
        question = f"Communication preferences: all, none, or of these: {numbered(preferences)}"
        chosen = asker.some_of(question, preferences, "none", ("all", "none"))
        said.communication = [] if chosen == ["none"] else chosen
    if said.properties is None:
        if known:
            asker.say(numbered(known))
        question = "Properties: all, system, or names divided by commas"
        said.properties = asker.some_of(question, known, "all", ("all", "system"))
    chosen = known if said.properties in (["all"], ["system"]) else said.properties
    if said.order is None:
        said.order = asker.some_of("These properties first, the rest after; Enter for the usual order", chosen, "")
    if said.rename is None:
        said.rename = asker.pairs("Headers to change, as Phone=Phone Number; Enter for none", chosen)
    if said.on_new_property is None and said.properties == ["all"]:
        question = "A property that is new in the source"
        said.on_new_property = asker.one_of(question, ("append", "lock"), "append")
    show_columns(session, asker.console)


def schedule_step(session: Session, asker: Asker) -> None:
    """How often, when, from when on, and what each run carries."""
    said, source = session.answers, session.source()
    cadence = source.cadence if source else None
    if said.every is None:
        question = "How often"
        said.every = asker.one_of(question, (ONCE, *CADENCES), f"{cadence.hours}h" if cadence else "24h")
    if said.timezone is None:
        zone = cadence.zone.key if cadence else "UTC"
        check = session.export_check("timezone", "schedule.timezone")
        said.timezone = asker.text("Time zone", zone, check)
    if said.start is None:
        first = cadence.start.isoformat() if cadence else None
        question = "The day to export" if said.every == ONCE else "The first day"
        said.start = asker.text(question, first, session.export_check("start", "schedule.start"))
    if said.every != ONCE:
        if said.at is None:
            question = "Time of day of the run" if said.every == "24h" else "Delay after a window's end"
            said.at = asker.text(question, "00:00", session.export_check("at", "schedule.at"))
        if said.mode is None:
            news = "what was added" if said.is_flow else "what changed"
            question = f"After a full first run, {news}, or everything each time"
            said.mode = asker.one_of(question, ("incremental", "full"), "incremental")


def schedule_mistakes(session: Session, mistakes: list[Mistake]) -> list[str]:
    """What is wrong with the schedule alone, so that it is worth asking again."""
    ours = [one for one in mistakes if one.file == session.answers.file]
    return about("schedule", ours)


def forget_schedule(session: Session) -> None:
    """As if the fourth step hadn't been answered."""
    said = session.answers
    said.every = said.timezone = said.start = said.at = said.mode = None


def numbered(names: Sequence[str]) -> str:
    return "  ".join(f"{number} {name}" for number, name in enumerate(names, 1))
