"""The names of an export's files: which key each chunk, and the manifest, of one partition gets.

    preset of files.folder    template          preset of files.name    template
    bucket_root               (no folder)       default                 <account>-<export-id>-<timestamp>-<instance>
    data_type                 profile           clevertap_legacy        the same, with the format as -csv.gz
    run_date                  {{Date}}
    export_id                 {{Export-id}}     anything else is a template of the user's own

A name always holds the Timestamp and the Instance-id: what its template lacks is appended, in this order. The index of
a chunk stands where the folder or name has `{{Index}}` (0 for the first); without it the first chunk has the plain
name, and from index 1 on `-<index>` stands before the last `-<instance-id>` of the file's own name, or at the name's
end where it has none:

    name template                       first chunk               second chunk
    default                             …-1793577600-0.csv.gz     …-1793577600-1-0.csv.gz
    profiles                            profiles-1793577600-0…    profiles-1793577600-1-0…
    p-{{Instance-id}}-x                 p-0-x-1793577600…         p-1-0-x-1793577600…
    {{Instance-id}}/p                   0/p-1793577600…           0/p-1793577600-1…
    p_{{Timestamp}}_{{Instance-id}}     p_1793577600_0…           p_1793577600_0-1…
    part{{Index}}                       part0-1793577600-0…       part1-1793577600-0…

No two files of an export can get one key: instance, index and Timestamp can be read back from every key (a template for
which they can't is refused, `Template.ambiguity`), later chunks have one `-` more than first ones, and no two
partitions share a run instant. Source: REQUIREMENTS P4 to P11, L7, L12.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

from ctexport_dagster.core.errors import NamingError
from ctexport_dagster.core.export import DeclaredExport, Files, Format
from ctexport_dagster.core.run_names import FileOfDataset, Held, RunNames
from ctexport_dagster.core.templates import (
    Placeholder,
    Template,
    TemplateError,
    Text,
    Variable,
    joined,
    parse_template,
)

FOLDER_PRESETS: Mapping[str, str] = {
    "bucket_root": "",
    "data_type": "profile",
    "run_date": Variable.DATE.placeholder,
    "export_id": Variable.EXPORT_ID.placeholder,
}
_DEFAULT_NAME = "-".join(
    variable.placeholder
    for variable in (Variable.ACCOUNT_ID, Variable.EXPORT_ID, Variable.TIMESTAMP, Variable.INSTANCE_ID)
)
NAME_PRESETS: Mapping[str, str] = {"default": _DEFAULT_NAME, "clevertap_legacy": _DEFAULT_NAME}
EVENT_VARIABLES = frozenset({Variable.EVENT_NAME, Variable.EVENT_DAY})
DATASET_VARIABLES = frozenset({Variable.DATASET_NAME, Variable.DATASET_ID})
PRESET_VARIABLES = frozenset({Variable.PART, Variable.UNIQUE})
"""Those that presets alone may hold."""
PROFILE_VARIABLES = frozenset(Variable) - EVENT_VARIABLES - DATASET_VARIABLES - PRESET_VARIABLES
ADOBE = "adobe"

_SLASH, _DASH = Template((Text("/"),)), Text("-")
_INDICES = frozenset({Variable.INDEX, Variable.PART})
_PER_FILE = _INDICES | EVENT_VARIABLES | {Variable.INSTANCE_ID}


@dataclass(frozen=True)
class NamingRules:
    """How one kind of export names its files."""

    folders: Mapping[str, str]
    names: Mapping[str, str]
    """Preset → template."""
    variables: frozenset[Variable]
    """What templates may hold."""
    appended: tuple[Variable, ...]
    """What is appended to a name that lacks it."""
    legacy_text_lead: str
    """What stands before a text format's name in `clevertap_legacy`."""
    said_by: Mapping[Variable, frozenset[Variable]] = field(default_factory=dict)
    """What needn't be appended where folder or name has one of these."""
    signs: str = ""
    """What a folder may hold beside letters, digits, - and _."""
    folders_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Preset of a name → folders that are others beside it."""

    def is_said(self, variable: Variable, by: frozenset[Variable]) -> bool:
        """Whether these variables say what `variable` would."""
        return bool(self.said_by.get(variable, frozenset()) & by)


PROFILE_RULES = NamingRules(
    FOLDER_PRESETS, NAME_PRESETS, PROFILE_VARIABLES, (Variable.TIMESTAMP, Variable.INSTANCE_ID), legacy_text_lead="-"
)


class NamingMistake(ValueError):
    """A declared folder or name can't be used; `field` is the declaration's."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class Naming:
    """Gives every file of an export its key: relative, without a leading slash."""

    export: str
    folder: Template
    name: Template
    extension: str
    """What ends every key, as `.csv.gz`, or `-csv.gz` in `clevertap_legacy`."""
    manifest_prefix: str

    @staticmethod
    def of(export: DeclaredExport, rules: NamingRules = PROFILE_RULES) -> "Naming":
        """The naming that an export declares; exports of other kinds than profiles have rules of their own.

        Raises:
            NamingMistake: a template can't be used.
        """
        folder = _folder(export.files, rules)
        naming = Naming(
            export=export.name,
            folder=folder,
            name=_name(export.files.name, export.format.extension, rules, folder),
            extension=_extension(export.files.name, export.format, rules),
            manifest_prefix=export.files.manifest_prefix,
        )
        naming._refuse_ambiguity()
        return naming

    def key(self, run: RunNames, instance: int, index: int, held: Held | None = None) -> str:
        """The key of one chunk; where files hold different things, with what it holds. Source: REQUIREMENTS P10, L6."""
        template = self._later_key if index else self._first_key
        values = {**self._values(run, held), Variable.INSTANCE_ID: str(instance)}
        values |= {Variable.INDEX: str(index), Variable.PART: f"{index:05}"}
        suffix = "" if run.generation is None else f"-g{run.generation}"
        return template.render(values) + suffix + self.extension

    def manifest_key(
        self, keys: Sequence[str], run: RunNames, generation: int, held: FileOfDataset | None = None
    ) -> str:
        """The manifest's key: beside the data, in the deepest folder that all keys share; of a dataset, with its name.

        Without keys, it is the folder that they would share whatever their instance and index.
        """
        folder = _common_folder(keys) if keys else self._shared_folder.render(self._values(run, held))
        subject = f"{self.export}-{held.name}" if held else self.export
        name = f"{self.manifest_prefix}{subject}-{run.partition}-g{generation}.manifest.json"
        return f"{folder}/{name}" if folder else name

    def _values(self, run: RunNames, held: Held | None) -> dict[Variable, str]:
        own = held.values if held else {}
        told = (self.export, own.get(Variable.DATASET_NAME, ""), run.partition)
        return {**run.values, **own, Variable.UNIQUE: hashlib.sha256("/".join(told).encode()).hexdigest()[:32]}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a plan should tell people about the naming."""
        if Variable.RUN_ID not in self._first_key.variables:
            return ()
        return (
            f"{Variable.RUN_ID.placeholder} differs from run to run: a re-run writes new files beside the old ones"
            " instead of replacing them",
        )

    def shape(self, account_id: int, export_id: int, held: FileOfDataset | None = None) -> tuple[Template, str]:
        """Equal for two exports exactly when, at one run instant, they would write the same keys; of one dataset."""
        constants = {Variable.ACCOUNT_ID: str(account_id), Variable.EXPORT_ID: str(export_id)}
        own = {Variable.UNIQUE: self.export, **(held.values if held else {})}
        return self._first_key.filled({**constants, **own}), self.extension

    @cached_property
    def _first_key(self) -> Template:
        return self.folder + _SLASH + self.name if self.folder.pieces else self.name

    @cached_property
    def _later_key(self) -> Template:
        if self._first_key.variables & _INDICES:
            return self._first_key
        name = _with_index(self.name)
        return self.folder + _SLASH + name if self.folder.pieces else name

    @cached_property
    def _shared_folder(self) -> Template:
        shared = Template(())
        for segment in self._first_key.segments[:-1]:
            if segment.variables & _PER_FILE:
                break
            shared = shared + _SLASH + segment if shared.pieces else segment
        return shared

    def _refuse_ambiguity(self) -> None:
        for template in (self._first_key, self._later_key):
            if placeholder := template.ambiguity():
                raise NamingMistake(
                    "files.name" if placeholder in self.name.pieces else "files.folder",
                    f"{placeholder.variable.placeholder} runs into the number after it, so that two files could get one"
                    " name; put - between them",
                )


def check_collisions(keys: Iterable[str]) -> None:
    """Refuses two files of one run under one key.

    Raises:
        NamingError: names the keys.
    """
    twice = sorted(key for key, count in Counter(keys).items() if count > 1)
    if twice:
        raise NamingError(
            "Planning a delivery",
            f"{len(twice)} key{'s' if len(twice) > 1 else ''} would be written twice, the first is {twice[0]}",
            "Add {{Instance-id}} and {{Index}} to files.name.",
        )


def _folder(declared: Files, rules: NamingRules) -> Template:
    presets = {**rules.folders, **rules.folders_of.get(declared.name, {})}
    if declared.folder in presets:
        preset = presets[declared.folder]
        return parse_template(preset, rules.variables, rules.signs) if preset else Template(())
    _refuse_misspelt_preset("files.folder", declared.folder, presets)
    return _parsed("files.folder", declared.folder, rules)


def _name(declared: str, extension: str, rules: NamingRules, folder: Template) -> Template:
    if declared in rules.names:
        return parse_template(rules.names[declared], rules.variables | PRESET_VARIABLES)
    if declared == ADOBE:
        raise NamingMistake("files.name", f"{ADOBE} is for exports of datasets")
    _refuse_misspelt_preset("files.name", declared, rules.names)
    template = _parsed("files.name", _without_extension(declared, extension), rules)
    for variable in rules.appended:
        if variable not in template.variables and not rules.is_said(variable, folder.variables | template.variables):
            template += Template((_DASH, Placeholder(variable)))
    return template


def _parsed(name: str, text: str, rules: NamingRules) -> Template:
    try:
        return parse_template(text, rules.variables, rules.signs if name == "files.folder" else "")
    except TemplateError as problem:
        raise NamingMistake(name, str(problem)) from None


def _refuse_misspelt_preset(field: str, declared: str, presets: Mapping[str, str]) -> None:
    """A preset in other letters would silently become a folder of that name."""
    plain = declared.strip().lower().replace("-", "_").replace(" ", "_")
    if plain == "custom":
        raise NamingMistake(field, "write the template itself in place of the word custom, as {{Date}}/{{Export-id}}")
    close = get_close_matches(plain, presets, n=1, cutoff=0.85)
    if close:
        raise NamingMistake(field, f"{declared!r} is no preset; did you mean {close[0]}?")


def _without_extension(declared: str, extension: str) -> str:
    if declared.endswith(f".{extension}"):
        return declared.removesuffix(f".{extension}")
    stem, dot, ending = declared.rpartition("/")[2].partition(".")
    if dot and stem and not ending.startswith("."):
        position = len(declared) - len(ending)
        raise NamingMistake(
            "files.name",
            f"files of this export end in .{extension}; leave .{ending} out (at character {position})",
        )
    return declared


def _extension(name: str, declared: Format, rules: NamingRules) -> str:
    """A Parquet file isn't gzip, whatever the legacy name says. Source: REQUIREMENTS L7, L12, A7."""
    if name == ADOBE and declared.extension == "parquet" and declared.compression == "gzip":
        return ".gz.parquet"
    if name != "clevertap_legacy":
        return f".{declared.extension}"
    return ".parquet.gzip" if declared.extension == "parquet" else f"{rules.legacy_text_lead}{declared.extension}"


def _with_index(name: Template) -> Template:
    """The name with `-{{Index}}` before the last `-{{Instance-id}}` of its last segment, else at its end."""
    pieces, index = list(name.pieces), [_DASH, Placeholder(Variable.INDEX)]
    for at in range(len(pieces) - 1, 0, -1):
        piece, before = pieces[at], pieces[at - 1]
        if isinstance(piece, Text) and "/" in piece.text:
            break
        is_instance = isinstance(piece, Placeholder) and piece.variable == Variable.INSTANCE_ID
        if is_instance and isinstance(before, Text) and before.text.endswith("-"):
            dash = Text(before.text[:-1], before.position) if len(before.text) > 1 else None
            kept = [*pieces[: at - 1], *([dash] if dash else [])]
            return joined((*kept, *index, _DASH, *pieces[at:]))
    return joined((*pieces, *index))


def _common_folder(keys: Sequence[str]) -> str:
    shared = keys[0].split("/")[:-1]
    for key in keys[1:]:
        folders = key.split("/")[:-1]
        agreeing = next((n for n, (a, b) in enumerate(zip(shared, folders, strict=False)) if a != b), None)
        shared = shared[: min(len(shared), len(folders)) if agreeing is None else agreeing]
    return "/".join(shared)
