"""A message to people, once: what it says, apart from how a mail or a chat shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Json = str | Sequence["Json"] | Mapping[str, "Json"]

_SLACK_HEADER = 150
_SLACK_TEXT = 2900
_SLACK_SECTIONS = 20
"""Slack refuses longer headers and texts, and more than 50 blocks; a section here makes two."""


@dataclass(frozen=True)
class Section:
    """Labelled facts under a title; the title may be empty."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Letter:
    """Sentences and facts. `id` is the same for the same message however often it is made; `answers` is the id of the
    message that it follows."""

    id: str
    subject: str
    opening: str
    sections: tuple[Section, ...]
    next_steps: tuple[str, ...]
    link: str = ""
    """Where to see it in Dagit; empty where that isn't known."""
    answers: str | None = None


def as_text(letter: Letter) -> str:
    """Plain text, wrapped by nobody: mail programs do that."""
    parts = [letter.opening]
    for section in letter.sections:
        facts = "\n".join(f"{label}: {value}" for label, value in section.facts)
        parts.append(f"{section.title}\n{facts}" if section.title else facts)
    parts += (
        ["What happens next:\n" + "\n".join(f"- {step}" for step in letter.next_steps)] if letter.next_steps else []
    )
    parts += [f"In Dagit: {letter.link}"] if letter.link else []
    return "\n\n".join(parts) + "\n"


def as_html(letter: Letter) -> str:
    """A page without a style sheet, image or script: nothing is loaded when it is read."""
    body = [f"<p>{escape(letter.opening)}</p>"]
    for section in letter.sections:
        body += [f"<h3>{escape(section.title)}</h3>"] if section.title else []
        rows = "".join(
            f'<tr><th align="left" valign="top">{escape(label)}</th><td>{escape(value)}</td></tr>'
            for label, value in section.facts
        )
        body.append(f'<table cellpadding="4">{rows}</table>')
    if letter.next_steps:
        steps = "".join(f"<li>{escape(step)}</li>" for step in letter.next_steps)
        body.append(f"<p>What happens next:</p><ul>{steps}</ul>")
    body += [f'<p><a href="{escape(letter.link)}">See it in Dagit</a></p>'] if letter.link else []
    head = f'<meta charset="utf-8"><title>{escape(letter.subject)}</title>'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n" + "\n".join(body) + "\n</body></html>\n"


def as_slack(letter: Letter) -> Mapping[str, Json]:
    """`text` for notifications and for chats that know no blocks, `blocks` for Slack."""
    blocks: list[Json] = [{"type": "header", "text": {"type": "plain_text", "text": letter.subject[:_SLACK_HEADER]}}]
    blocks.append(_mrkdwn(_slack(letter.opening)))
    for section in letter.sections[:_SLACK_SECTIONS]:
        title = [f"*{_slack(section.title)}*"] if section.title else []
        blocks.append(_mrkdwn("\n".join([*title, *(f"*{_slack(label)}:* {_slack(v)}" for label, v in section.facts)])))
    if letter.next_steps:
        blocks.append(_mrkdwn("\n".join(f"• {_slack(step)}" for step in letter.next_steps)))
    if letter.link:
        blocks.append(_mrkdwn(f"<{letter.link}|See it in Dagit>"))
    return {"text": f"{letter.subject}\n{as_text(letter)}", "blocks": blocks}


def _mrkdwn(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_SLACK_TEXT]}}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
