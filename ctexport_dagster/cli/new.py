"""`ctexport new [NAME]`: an export declared in four steps, on a terminal or by flags, and written as YAML."""

import os
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ctexport_dagster.cli.asking import Asker
from ctexport_dagster.cli.new_datasets import choose_datasets, refuse_both, show_datasets
from ctexport_dagster.cli.new_resources import choose_destination, choose_source, option_pairs, refuse_clear_secrets
from ctexport_dagster.cli.new_session import NAME, Session
from ctexport_dagster.cli.new_steps import (
    files_step,
    forget_schedule,
    identifiers_step,
    look_at_source,
    properties_step,
    schedule_mistakes,
    schedule_step,
)
from ctexport_dagster.cli.new_views import show_columns, show_files, show_schedule
from ctexport_dagster.cli.terminal import WRONG_USAGE, AsJson, print_json
from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.home import PACKAGE, state_folder
from ctexport_dagster.resources.registry import RESOURCE_KINDS
from ctexport_dagster.wizard.answers import ExportAnswers, ResourceAnswers
from ctexport_dagster.wizard.drafts import FOLDERS, home_with

_FILES, _WHO, _WHAT, _WHEN = "1 Source, destination and files", "2 Identifiers", "3 Properties", "4 Schedule"
_TABLES = "Tables as they are, in place of 2 and 3"
_Kind = Literal["local", "s3", "gcs", "azure_blob", "adls", "sftp"]


@dataclass(frozen=True)
class Variable:
    """An environment variable that a new resource takes a secret from."""

    name: str
    is_set: bool


@dataclass(frozen=True)
class Written:
    """What a session wrote, and what comes next."""

    home: str
    files: tuple[str, ...]
    variables: tuple[Variable, ...]
    next: tuple[str, ...]


def option(panel: str, text: str, *names: str, metavar: str | None = None) -> typer.models.OptionInfo:
    return typer.Option(*names, help=text, rich_help_panel=panel, metavar=metavar, show_default=False)


Text = str | None
Texts = list[str] | None
Toggle = bool | None


def new(
    name: Annotated[
        Text, typer.Argument(metavar="NAME", help="Of the export: a-z, 0-9 and _.", show_default=False)
    ] = None,
    source: Annotated[Text, option(_FILES, "A declared source, or the name of a new one.")] = None,
    source_files: Annotated[Text, option(_FILES, "Path of a new source's files, with {{Partition}}.")] = None,
    source_column: Annotated[Texts, option(_FILES, "The model's name and its column.", metavar="NAME=COLUMN")] = None,
    source_option: Annotated[Texts, option(_FILES, "Of a new source: mode, start, …", metavar="KEY=VALUE")] = None,
    destination: Annotated[Text, option(_FILES, "A declared destination, or the name of a new one.")] = None,
    destination_type: Annotated[_Kind | None, option(_FILES, "The kind of a new destination.")] = None,
    destination_option: Annotated[
        Texts, option(_FILES, "Of a new one; secrets as KEY=env:VARIABLE.", metavar="KEY=VALUE")
    ] = None,
    format_: Annotated[Literal["csv", "json", "xml", "parquet"] | None, option(_FILES, "csv.", "--format")] = None,
    folder: Annotated[Text, option(_FILES, "A preset or template.")] = None,
    file_name: Annotated[Text, option(_FILES, "A preset or template.")] = None,
    account_id: Annotated[Text, option(_FILES, "The account's number.")] = None,
    owner: Annotated[Text, option(_FILES, "The e-mail address that failures are sent to.")] = None,
    description: Annotated[Text, option(_FILES, "For people, shown in Dagit.")] = None,
    identifier: Annotated[Texts, option(_WHO, "By priority; repeat it.")] = None,
    identity_values: Annotated[Literal["single", "all"] | None, option(_WHO, "The first one, or all.")] = None,
    all_identities: Annotated[Toggle, option(_WHO, "A column of all.", "--all-identities/--no-all-identities")] = None,
    clevertap_id: Annotated[Toggle, option(_WHO, "clevertapId and -Ids.", "--clevertap-id/--no-clevertap-id")] = None,
    device: Annotated[Toggle, option(_WHAT, "The device token.", "--device/--no-device")] = None,
    communication: Annotated[Texts, option(_WHAT, "all, none, or a preference; repeat it.")] = None,
    property_: Annotated[Texts, option(_WHAT, "all, system, or a property; repeat it.", "--property")] = None,
    order: Annotated[Texts, option(_WHAT, "A property that stands first; repeat it.")] = None,
    rename: Annotated[Texts, option(_WHAT, "Another header.", metavar="NAME=HEADER")] = None,
    on_new_property: Annotated[Literal["append", "lock"] | None, option(_WHAT, "A new property of the source.")] = None,
    dataset: Annotated[Texts, option(_TABLES, "A dataset of the source; repeat it.")] = None,
    every: Annotated[Text, option(_WHEN, "once, or 3h to 24h.")] = None,
    at: Annotated[Text, option(_WHEN, "Time of day, as 02:00.")] = None,
    timezone: Annotated[Text, option(_WHEN, "An IANA name.")] = None,
    start: Annotated[Text, option(_WHEN, "The first day.")] = None,
    end: Annotated[Text, option(_WHEN, "The day before which it ends.")] = None,
    mode: Annotated[Literal["incremental", "full"] | None, option(_WHEN, "What changed, or everything.")] = None,
    ask: Annotated[Toggle, typer.Option("--ask/--yes", help="Ask, or take defaults. Default: by terminal.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an export of this name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Declare an export: asks for what no flag says, shows what it will send, and writes the YAML."""
    asks = ask if ask is not None else sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    console = Console(stderr=as_json, highlight=False, width=None if sys.stdout.isatty() else 200)
    session = _session(Asker(console) if asks else None)
    session.answers = ExportAnswers(
        name=_name(session, name, overwrites=force),
        description=description,
        source=source,
        destination=destination,
        owner=owner,
        account_id=account_id,
        datasets=dataset,
        format=format_,
        folder=folder,
        file_name=file_name,
        identifiers=identifier,
        identity_values=identity_values,
        all_identities=all_identities,
        clevertap_id=clevertap_id,
        device=device,
        communication=[] if communication == ["none"] else communication,
        properties=property_,
        order=order,
        rename=option_pairs(rename, "--rename") if rename else None,
        on_new_property=on_new_property,
        every=every,
        at=at,
        timezone=timezone,
        start=start,
        end=end,
        mode=mode,
    )
    try:
        new_source = _given_source(source, source_files, source_column, source_option)
        new_destination = _given_destination(destination, destination_type, destination_option)
        written = _declared(session, console, new_source, new_destination)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        typer.echo("nothing was written", err=True)
        raise typer.Exit(WRONG_USAGE) from None
    if as_json:
        print_json(asdict(written))
    else:
        _print(written, console)


def _session(asker: Asker | None) -> Session:
    """A session on the folder that is, or becomes, the home: CTEXPORT_HOME, else the working directory."""
    here = Path.cwd()
    given = os.environ.get("CTEXPORT_HOME")
    root = ((here / Path(given).expanduser()) if given else here).resolve()
    if root == PACKAGE:
        raise typer.BadParameter("this is ctexport's own Python package; go to your project's folder")
    return Session(
        root=root,
        state=state_folder(root, os.environ, here),
        surroundings=Surroundings(root, os.environ),
        declared=read_declarations(root, RESOURCE_KINDS),
        now=datetime.now(UTC),
        asker=asker,
        answers=ExportAnswers(""),
    )


def _name(session: Session, name: str | None, *, overwrites: bool) -> str:
    def wrong(said: str) -> list[str]:
        if not re.fullmatch("[a-z0-9_]+", said):
            return [NAME]
        is_taken = (session.root / "assets" / f"{said}.yaml").exists() and not overwrites
        return [f"assets/{said}.yaml is there already; --force overwrites it"] if is_taken else []

    if session.asker and name is None:
        return session.asker.text("Name of the export", None, wrong)
    if name is None:
        session.missing.append("NAME")
        return "unnamed"
    if problems := wrong(name):
        raise typer.BadParameter(problems[0], param_hint="NAME")
    return name


def _given_source(
    name: str | None, files: str | None, columns: list[str] | None, options: list[str] | None
) -> ResourceAnswers | None:
    if files is None and not columns and not options:
        return None
    if name is None:
        raise typer.BadParameter("--source names the new source that --source-files describes")
    fields = {**({"profiles": files} if files else {}), **option_pairs(options, "--source-option")}
    return ResourceAnswers(name, "files", fields, option_pairs(columns, "--source-column"))


def _given_destination(name: str | None, kind: str | None, options: list[str] | None) -> ResourceAnswers | None:
    if kind is None and not options:
        return None
    if name is None or kind is None:
        raise typer.BadParameter("a new destination takes --destination NAME and --destination-type KIND")
    given = ResourceAnswers(name, kind, option_pairs(options, "--destination-option"))
    refuse_clear_secrets(given)
    return given


def _declared(
    session: Session, console: Console, source: ResourceAnswers | None, destination: ResourceAnswers | None
) -> Written:
    """Settles everything, checks it in its home, and writes it.

    Raises:
        ConfigurationError: the home would hold mistakes that it hasn't now. Nothing was written.
    """
    _say_where(session, console)
    choose_source(session, source)
    choose_destination(session, destination)
    choose_datasets(session)
    refuse_both(session.answers)
    _refuse_missing(session)
    is_flow = session.answers.is_flow
    if not is_flow:
        look_at_source(session)
    if session.unseen:
        console.print(f"The source can't be read yet, so that names are taken as typed: {session.unseen}", markup=False)
    if session.asker:
        _ask_steps(session, session.asker)
    else:
        session.answers = session.answers.with_defaults()
        _refuse_mistakes(session)
        show_files(session, console)
        (show_datasets if is_flow else show_columns)(session, console)
        show_schedule(session, console)
    return _write(session)


def _ask_steps(session: Session, asker: Asker) -> None:
    is_flow = session.answers.is_flow
    what = () if is_flow else ((_WHO, identifiers_step), (_WHAT, properties_step))
    steps = ((_FILES, files_step), *what, (_WHEN, schedule_step))
    for title, step in steps:
        asker.say("", title)
        step(session, asker)
    while problems := schedule_mistakes(session, home_with(session.root, session.files())[1]):
        asker.say(*problems)
        forget_schedule(session)
        schedule_step(session, asker)
    _refuse_mistakes(session)
    if is_flow:
        show_datasets(session, asker.console)
    show_schedule(session, asker.console)
    asker.say("", *(f"{new.file}\n{new.text}" for new in session.files()))
    if not asker.yes("Write this?", default=True):
        raise typer.Exit(0)


def _refuse_mistakes(session: Session) -> None:
    _, mistakes = home_with(session.root, session.files())
    if mistakes:
        raise ConfigurationError(mistakes)


def _refuse_missing(session: Session) -> None:
    """Says at once which flags would have answered what nobody can be asked."""
    said = session.answers
    if session.asker is None:
        session.missing += [
            flag for flag, answer in (("--owner", said.owner), ("--account-id", said.account_id)) if not answer
        ]
    if session.missing:
        flags = ", ".join(session.missing)
        raise typer.BadParameter(f"nobody can be asked here, so give {flags}; or --ask, to be asked on standard input")


def _write(session: Session) -> Written:
    files = session.files()
    for folder in FOLDERS:
        (session.root / folder).mkdir(parents=True, exist_ok=True)
    for new_file in files:
        write_bytes(session.root / new_file.file, new_file.text.encode())
    name = session.answers.name
    variables = [Variable(v, bool(os.environ.get(v))) for new in session.resources for v in new.variables]
    return Written(
        home=str(session.root),
        files=tuple(new_file.file for new_file in files),
        variables=tuple(variables),
        next=("ctexport check", f"ctexport preview {name}", f"ctexport run {name}", "ctexport dev"),
    )


def _say_where(session: Session, console: Console) -> None:
    made = [f"{folder}/" for folder in FOLDERS if not (session.root / folder).is_dir()]
    if made:
        console.print(f"{session.root} becomes a home: {' and '.join(made)} will be made in it", markup=False)
    for mistake in session.declared.mistakes:
        console.print(f"warning: {mistake}", markup=False)


def _print(written: Written, console: Console) -> None:
    def say(*lines: str) -> None:
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)

    say("", f"Written in {written.home}: {', '.join(written.files)}")
    unset = [variable.name for variable in written.variables if not variable.is_set]
    if unset:
        say("Set these variables before a run, and for the service that runs it:", *(f"  export {v}=…" for v in unset))
    say("Next:", *(f"  {command}" for command in written.next))
