"""Step 1 of `ctexport new`: where an export comes from and where it goes, each declared already or new."""

from dataclasses import dataclass

import typer

from ctexport_dagster.cli.asking import Asker
from ctexport_dagster.cli.new_session import Session, mistake, resource_check
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.declared import CADENCES
from ctexport_dagster.core.errors import ExportError
from ctexport_dagster.resources.files.declaration import Files, FilesSource
from ctexport_dagster.resources.registry import RESOURCE_KINDS, ResourceRole
from ctexport_dagster.wizard.answers import ResourceAnswers, secret_fields
from ctexport_dagster.wizard.kinds import ASKED, is_variable_name, usual_variable
from ctexport_dagster.wizard.looking import USUAL_NAMES, likely_columns, partitions_found

NEW = "a new one"
_NONE = "-"


def choose_source(session: Session, given: ResourceAnswers | None) -> None:
    """Settles the source; `given` is a new one that flags describe."""
    settled = _settled(session, "source", session.answers.source, given, "crm")
    if settled is None:
        return
    session.answers.source = settled.name
    if settled.is_new:
        session.new_source = given or ResourceAnswers(settled.name, "files")
        _complete_source(session, session.new_source)


def choose_destination(session: Session, given: ResourceAnswers | None) -> None:
    """Settles the destination; `given` is a new one that flags describe."""
    settled = _settled(session, "destination", session.answers.destination, given, "outbox")
    if settled is None:
        return
    session.answers.destination = settled.name
    if settled.is_new:
        session.new_destination = given or _new_destination(session, settled.name)
        if session.new_destination:
            _complete_destination(session, session.new_destination)


@dataclass(frozen=True)
class _Settled:
    """Which source or destination it is to be."""

    name: str
    is_new: bool


def _settled(
    session: Session, role: ResourceRole, said: str | None, given: ResourceAnswers | None, usual: str
) -> _Settled | None:
    """The chosen one; None where nobody can be asked: its flag is noted as missing then."""
    known = sorted(name for name, its_role in session.declared.roles.items() if its_role in (role, None))
    asker = session.asker
    if said is None and asker:
        said = asker.one_of(role.capitalize(), [*known, NEW], [*known, NEW][0])
    elif said is None and len(known) == 1:
        said = known[0]
    if said is None:
        session.missing.append(f"--{role}")
        return None
    if said == NEW and asker:
        free = usual if usual not in session.declared.roles else None
        return _Settled(asker.text(f"Name of the new {role}", free, session.wrong_name), is_new=True)
    if said in known and given:
        flags = "--source-files" if role == "source" else "--destination-type"
        raise mistake(f"resources/{said}.yaml", "", f"is there already: leave {flags} and the like out")
    return _Settled(said, is_new=said not in known)


def _complete_source(session: Session, new: ResourceAnswers) -> None:
    if problems := session.wrong_name(new.name):
        raise mistake(new.file, "", problems[0])
    asker, root = session.asker, session.root
    if "profiles" not in new.fields:
        if asker is None:
            session.missing.append("--source-files")
            return
        question = "Path of its files, {{Partition}} for the day, as data/{{Partition}}/*.parquet"
        new.fields["profiles"] = asker.text(question, None, resource_check(new, "profiles"))
    found = partitions_found(root, new.fields["profiles"])
    if asker:
        asker.say(f"  {counted(len(found), 'partition')} found{f', the first {found[0]}' if found else ' so far'}")
        _ask_columns(asker, session, new, found[0] if found else None)
        _ask_source_fields(asker, new, found)
    elif "start" not in new.fields:
        if not found:
            session.missing.append("--source-start")
            return
        new.fields["start"] = found[0][:10]
    session.resource(new)


def _ask_columns(asker: Asker, session: Session, new: ResourceAnswers, partition: str | None) -> None:
    """The columns that stand for the model's names; asked for where the files have no such name themselves."""
    names = _column_names(asker, session, new, partition) if partition else ()
    if names:
        asker.say(f"  columns: {', '.join(names)}")
    likely = likely_columns(names)
    for model in USUAL_NAMES if names else ("clevertapId",):
        if model in names or model in new.columns:
            continue
        is_key = model == "clevertapId"
        question = f"Column of {model}, {'the key' if is_key else f'{_NONE} for none'}"
        default = likely.get(model, "clevertapId" if is_key and not names else None if is_key else _NONE)
        allowed = [*names, *([] if is_key else [_NONE])]
        column = asker.text(question, default, lambda said, allowed=allowed: _not_among(said, allowed) if names else ())
        if column not in (_NONE, model):
            new.columns[model] = column


def _not_among(said: str, names: list[str]) -> list[str]:
    return [] if said in names else [f"the files have no column {said}"]


def _column_names(asker: Asker, session: Session, new: ResourceAnswers, partition: str) -> tuple[str, ...]:
    fields = {"profiles": new.fields["profiles"], "start": partition[:10]}
    model = session.resource(ResourceAnswers(new.name, new.kind, fields))
    if not isinstance(model, FilesSource):
        return ()
    try:
        return Files(model, session.root).column_names(partition)
    except ExportError as problem:
        asker.say(f"  {problem}")
        return ()


def _ask_source_fields(asker: Asker, new: ResourceAnswers, found: list[str]) -> None:
    is_daily = not any("T" in key for key in found)
    first = found[0][:10] if found else None
    if "mode" not in new.fields:
        question = "Each day's files hold everybody (snapshot), or who changed (changes)"
        new.fields["mode"] = asker.one_of(question, ("snapshot", "changes"), "snapshot")
    if "every" not in new.fields:
        new.fields["every"] = asker.one_of("How often files come", CADENCES, "24h" if is_daily else None)
    for key, question, default in (
        ("timezone", "Time zone at whose midnight days are cut", "UTC"),
        ("start", "The first day, as 2026-11-18", first),
    ):
        if key not in new.fields:
            new.fields[key] = asker.text(question, default, resource_check(new, key))


def _new_destination(session: Session, name: str) -> ResourceAnswers | None:
    if session.asker is None:
        session.missing.append("--destination-type")
        return None
    kinds = [kind for kind, registered in RESOURCE_KINDS.items() if registered.role == "destination"]
    return ResourceAnswers(name, session.asker.one_of("Kind", kinds, "local"))


def _complete_destination(session: Session, new: ResourceAnswers) -> None:
    if problems := session.wrong_name(new.name):
        raise mistake(new.file, "", problems[0])
    asked, asker = ASKED[new.kind], session.asker
    if asker is None:
        needed = [key for key, default in asked.fields.items() if default is None and key not in new.fields]
        session.missing += [f"--destination-option {key}=…" for key in needed]
        new.fields = {**{key: default for key, default in asked.fields.items() if default}, **new.fields}
        if not needed:
            session.resource(new)
        return
    for key, default in asked.fields.items():
        if key not in new.fields and (answer := asker.text(_question(new, key), default, resource_check(new, key))):
            new.fields[key] = answer
    if asked.ways and not secret_fields(new.model) & new.fields.keys():
        _ask_secrets(asker, new)
    session.resource(new)


def _ask_secrets(asker: Asker, new: ResourceAnswers) -> None:
    ways = ASKED[new.kind].ways
    for secret in ways[asker.one_of("It lets us in by", [*ways], next(iter(ways)))]:
        question = f"Environment variable that holds {secret}; never the secret itself"
        new.fields[secret] = asker.text(question, usual_variable(new.name, secret), _no_variable)


def _no_variable(said: str) -> list[str]:
    return [] if is_variable_name(said) else ["that is no variable's name: write it as ACME_SAS_TOKEN"]


def _question(new: ResourceAnswers, key: str) -> str:
    described = new.model.model_fields[key].description
    return f"{key}: {' '.join(described.split()).removesuffix('.')}" if described else key


def option_pairs(options: list[str] | None, flag: str) -> dict[str, str]:
    """`key=value` of a repeated flag.

    Raises:
        typer.BadParameter: one of them has no key or no `=`; it isn't repeated, for it may hold a secret.
    """
    pairs = [option.partition("=") for option in options or ()]
    if any(not key or not equals for key, equals, _ in pairs):
        raise typer.BadParameter(f"{flag} takes key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def refuse_clear_secrets(new: ResourceAnswers) -> None:
    """Flags stand in the shell's history and the process list: a secret's variable is named there, as env:NAME.

    Raises:
        ConfigurationError: a field that holds a secret isn't given so.
    """
    for key in sorted(secret_fields(new.model) & new.fields.keys()):
        if not new.fields[key].startswith("env:"):
            says = f"a secret never stands in a flag; name the variable that holds it: {key}=env:{new.name.upper()}_KEY"
            raise mistake("--destination-option", key, says)
