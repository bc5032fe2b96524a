"""Mails over the SMTP server that `settings.yaml` declares.

Every mail has plain text and HTML, and a message id that is the same each time that it is made: a mail that was
accepted just before its connection broke, and is therefore sent again, is recognised by mail systems.
"""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.letter import Letter, as_html, as_text
from ctexport_dagster.core.settings import Mail
from ctexport_dagster.resources.telling import NotSent, Obstacle, patiently

_MEND = {
    "down": "It is sent again by itself; if it stays, look at mail in settings.yaml, and at the server.",
    "misconfigured": "Mend mail in settings.yaml or the variables that it names; the mail goes out then.",
    "refused": "Compare the recipient's and the sender's addresses with what the server allows.",
}


@dataclass(frozen=True)
class SmtpMailer:
    """Sends over a connection of its own for each mail; its repr shows no secret."""

    declared: Mail
    environment: Mapping[str, str] = field(repr=False)
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Whose certificates are believed."""

    def send(self, letter: Letter, *, to: str, now: datetime) -> None:
        """Raises: NotSent: the server has not taken it."""
        message = mail_of(letter, sender=self.declared.sender, to=to, now=now)
        patiently(lambda: self._send(message))

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connect() as connection:
                self._log_in(connection)
                connection.send_message(message)
        except ConfigurationError as problem:
            raise self._not_sent(
                "; ".join(m.field for m in problem.mistakes) + " is not set", "misconfigured"
            ) from None
        except OSError as problem:  # smtplib's own errors are OSErrors too; their text may quote what was sent
            raise self._not_sent(*_obstacle(problem)) from None

    def _connect(self) -> smtplib.SMTP:
        mail = self.declared
        if mail.security == "tls":
            return smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_seconds, context=self.trust())
        connection = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds)
        if mail.security == "starttls":
            try:
                connection.starttls(context=self.trust())
            except BaseException:
                connection.close()
                raise
        return connection

    def _log_in(self, connection: smtplib.SMTP) -> None:
        if self.declared.username and self.declared.password:
            connection.login(
                self.declared.username.resolve(self.environment), self.declared.password.resolve(self.environment)
            )

    def _not_sent(self, happened: str, obstacle: Obstacle) -> NotSent:
        return NotSent(f"Mailing over {self.declared.host}", happened, _MEND[obstacle], obstacle)


def mail_of(letter: Letter, *, sender: str, to: str, now: datetime) -> EmailMessage:
    """The mail, byte for byte the same for the same letter and instant."""
    domain = sender.rsplit("@", 1)[1]
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{letter.id}@{domain}>"
    if letter.answers:
        message["In-Reply-To"] = message["References"] = f"<{letter.answers}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(as_text(letter))
    message.add_alternative(as_html(letter), subtype="html")
    message.set_boundary(f"=_{letter.id}")
    return message


def _obstacle(problem: OSError) -> tuple[str, Obstacle]:
    """What happened, without the server's words, and what that means for other mails."""
    match problem:
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in problem.recipients.values()})
            return f"the server refused the recipient ({', '.join(map(str, codes))})", "refused"
        case smtplib.SMTPAuthenticationError():
            return f"the server refused the user name or password ({problem.smtp_code})", "misconfigured"
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError() if problem.smtp_code >= 500:
            return f"the server refused the mail ({problem.smtp_code})", "refused"
        case smtplib.SMTPNotSupportedError():
            return "the server doesn't offer what is declared: STARTTLS, or logging in", "misconfigured"
        case ssl.SSLCertVerificationError():
            return "the server's certificate can't be trusted", "misconfigured"
        case smtplib.SMTPResponseException():
            return f"the server could not answer just now ({problem.smtp_code})", "down"
        case _:
            return f"the server could not be reached ({type(problem).__name__})", "down"
