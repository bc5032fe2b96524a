"""The terminal: what every command says, how it fails, and where it finds the home."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ctexport_dagster.core.errors import ConfigurationError, ExportError
from ctexport_dagster.home import Home, is_fallback, load_home

FAILED, WRONG_USAGE = 1, 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def reported(error: ExportError) -> int:
    """Says on stderr what went wrong, and gives the exit code."""
    typer.echo(str(error), err=True)
    return WRONG_USAGE if isinstance(error, ConfigurationError) else FAILED


def home_here() -> Home:
    """The home that the environment and the working directory mean; says on stderr where neither names it.

    Raises:
        ConfigurationError: there is none, or its files hold mistakes.
    """
    here = Path.cwd()
    home = load_home(os.environ, here)
    if is_fallback(home.root, os.environ, here):
        why = "neither this folder nor one above it has assets/ and resources/"
        typer.echo(f"home: {home.root}, ctexport's own checkout, for {why}; CTEXPORT_HOME names another", err=True)
    return home


def console() -> Console:
    """Standard output; wide enough, where it is no terminal, that no line is cut."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def print_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows of plain text: nothing in a cell is markup."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headers))
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(_literal(cell) for cell in row))
    console().print(table)


def print_lines(*lines: str) -> None:
    for line in lines:
        typer.echo(line)


def chosen(name: str, known: Iterable[str], noun: str) -> str:
    """The name, if something is called so.

    Raises:
        typer.BadParameter: nothing is (exit code 2), with a suggestion.
    """
    names = list(known)
    if name in names:
        return name
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}" if names else "there is none"
    raise typer.BadParameter(f"no {noun} is called {name}; {hint}")


def _literal(cell: str) -> str:
    return cell.replace("[", r"\[")
