"""A real SMTP server on loopback that keeps what it is sent, and refuses what it is told to."""

import socket
import ssl
from asyncio import AbstractServer, WriteTransport
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
USER, PASSWORD = "exports", "correct horse"  # a password of this server alone
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Received:
    """One mail, and whom the envelope sends it to."""

    to: tuple[str, ...]
    mail: EmailMessage

    @property
    def text(self) -> str:
        part = self.mail.get_body(("plain",))
        assert part is not None
        return part.get_content().replace("\r\n", "\n")

    @property
    def html(self) -> str:
        part = self.mail.get_body(("html",))
        assert part is not None
        return part.get_content().replace("\r\n", "\n")


@dataclass
class Inbox:
    """What arrived, and what the server replies instead of taking it: by recipient, and to the next mails."""

    received: list[Received] = field(default_factory=list)
    to_recipients: dict[str, str] = field(default_factory=dict)
    to_data: list[str] = field(default_factory=list)
    """One each; "drop" breaks the connection after the mail was taken."""
    tries: int = 0
    is_down: bool = False
    """Whether it turns every mail away for now."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.is_down:
            return "421 down for maintenance"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.tries += 1
        if reply := self.to_recipients.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self.to_data.pop(0) if self.to_data else "250 OK"
        if reply == "250 OK" or reply == "drop":
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.received.append(Received(tuple(envelope.rcpt_tos), mail))
        if reply == "drop":
            assert isinstance(server.transport, WriteTransport)
            server.transport.abort()
        return reply


@dataclass(frozen=True)
class SmtpServer:
    """Where the server listens, what came in, and the context of a client that believes its certificate."""

    port: int
    inbox: Inbox
    trust: Callable[[], ssl.SSLContext]


class _Listening(Controller):
    """aiosmtpd's own controller can't tell which port it was given: this one listens on a socket that is there."""

    listener: socket.socket

    def _create_server(self) -> Awaitable[AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self.listener, ssl=self.ssl_context)


@contextmanager
def smtp_server(
    folder: Path, security: Security = "none", *, asks_password: bool = False, port: int = 0
) -> Iterator[SmtpServer]:
    """A server while the context lasts; `folder` takes its certificate."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    inbox = Inbox()
    listener = socket.create_server((HOST, port))
    controller = _Listening(
        inbox,
        hostname=HOST,
        port=listener.getsockname()[1],
        ssl_context=context if security == "tls" else None,
        server_hostname="mail.test",
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        auth_required=asks_password,
        auth_require_tls=security != "tls",
        authenticator=_authenticate,
    )
    controller.listener = listener
    controller.start()
    try:
        yield SmtpServer(controller.port, inbox, lambda: ssl.create_default_context(cafile=certificate))
    finally:
        controller.stop()


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that vouches for itself, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    pem, key_pem = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, key_pem
