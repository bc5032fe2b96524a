"""Asking on the terminal: a question, its default, and again until the answer can be used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.prompt import Confirm, Prompt
from rich.text import Text

from ctexport_dagster.core.identifiers import suggestion

Check = Callable[[str], Sequence[str]]
"""What is wrong with an answer, in sentences; nothing if it can be used."""


def anything(_answer: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Asker:
    """Asks on a console. The end of the input ends the command: nothing was written by then."""

    console: Console

    def text(self, question: str, default: str | None = None, check: Check = anything) -> str:
        """An answer that the check lets through. Enter gives the default; without one, something must be said."""
        while True:
            answer = self._asked(question, default).strip()
            problems = check(answer) if answer or default == "" else ["something must be said here"]
            if not problems:
                return answer
            self.say(*(f"  {problem}" for problem in problems))

    def one_of(self, question: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of the choices, by name or by the number that stands before it."""
        numbered = "  ".join(f"{number} {choice}" for number, choice in enumerate(choices, 1))
        answer = self.text(f"{question}: {numbered}", default, lambda said: _unknown([said], choices))
        return _named(answer, choices)

    def some_of(self, question: str, known: Sequence[str], default: str, words: Sequence[str] = ()) -> list[str]:
        """Names divided by commas, or their numbers among `known`; one of `words` stands alone.

        Where nothing is known, every name is taken.
        """
        check: Check = (lambda said: _unknown(_parts(said), [*known, *words])) if known else anything
        return [_named(part, known) for part in _parts(self.text(question, default, check))]

    def pairs(self, question: str, known: Sequence[str]) -> dict[str, str]:
        """`name=new name`, divided by commas; none by Enter."""

        def check(said: str) -> Sequence[str]:
            given = [part.partition("=") for part in _parts(said)]
            if any(not equals or not new.strip() for _, equals, new in given):
                return ["write name=new name, name=new name"]
            return _unknown([name.strip() for name, _, _ in given], known) if known else ()

        parts = [part.partition("=") for part in _parts(self.text(question, "", check))]
        return {_named(name.strip(), known): new.strip() for name, _, new in parts}

    def yes(self, question: str, *, default: bool) -> bool:
        try:
            return Confirm.ask(Text(question), console=self.console, default=default)
        except EOFError:
            raise _unanswered(question) from None

    def say(self, *lines: str) -> None:
        for line in lines:
            self.console.print(Text(line))

    def _asked(self, question: str, default: str | None) -> str:
        shown = f" ({default})" if default else ""
        try:
            return Prompt.ask(Text(question + shown), console=self.console, default=default or "", show_default=False)
        except EOFError:
            raise _unanswered(question) from None


def _unanswered(question: str) -> typer.BadParameter:
    return typer.BadParameter(f"the input ended before this was answered: {question}; nothing was written")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _named(answer: str, known: Sequence[str]) -> str:
    if answer not in known and answer.isdecimal() and 1 <= int(answer) <= len(known):
        return known[int(answer) - 1]
    return answer


def _unknown(answers: Sequence[str], known: Sequence[str]) -> list[str]:
    return [
        f"{name} is none of them{suggestion(name, tuple(known))}"
        for name in answers
        if _named(name, known) not in known
    ]
