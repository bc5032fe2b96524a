"""What owners and operations read, and how it gets to them: over a real SMTP server, and a webhook on loopback."""

import json
import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import pytest
import stamina
from smtp_server import HOST, PASSWORD, USER, Security, smtp_server

from ctexport_dagster.core.entitlement import Usage
from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.letter import Letter, Section, as_html, as_slack, as_text
from ctexport_dagster.core.mails import LISTED, Place, ending, failing, troubles, volume
from ctexport_dagster.core.notices import Ending, Incident, Notice, Number, Trouble
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.settings import Mail, Webhook
from ctexport_dagster.resources.mail import SmtpMailer, mail_of
from ctexport_dagster.resources.s3.failures import ACCESS_DISABLED
from ctexport_dagster.resources.telling import TRIES, NotSent
from ctexport_dagster.resources.webhook import HttpWebhook

NOW = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
PLACE = Place("daily_profiles", "acme_s3", "s3", ZoneInfo("America/New_York"), "https://dagster.example.com/")
GOLDENS = Path(__file__).parent / "goldens" / "mails"
OWNER = "growth@example.com"


@dataclass(frozen=True)
class Words:
    happened: str = f"{ACCESS_DISABLED.happened} (403 AccessDenied): {ACCESS_DISABLED.cause}"
    cause: str = ACCESS_DISABLED.cause
    fix: str = f"{ACCESS_DISABLED.fix}."
    attempted: str = "Writing s3://acme/profile/100000000-1761651721-1793577600-0.csv.gz"


def notice(number: Number, *, can_stop: bool = True) -> Notice:
    ended = NOW + timedelta(hours=(0, 24, 72)[number - 1])
    last = Attempt("run-b", "2026-10-31", "failed", ended - timedelta(minutes=1), ended, "customer")
    incident = Incident("run-a", NOW, last, 1 + 23 * (number - 1), is_settled=True)
    marks = {1: NOW + timedelta(hours=24), 2: NOW + timedelta(hours=72)}
    return Notice("daily_profiles", number, incident, can_stop, marks.get(number))


LETTERS = {
    "first": failing(notice(1), PLACE, Words(), next_attempt=NOW + timedelta(minutes=5)),
    "second": failing(notice(2), PLACE, Words()),
    "third": failing(notice(3), PLACE, Words()),
    "third_without_mail": failing(notice(3, can_stop=False), PLACE, Words()),
    "without_a_word": failing(notice(1), replace(PLACE, dagit_url=None), None),
    "ending": ending(Ending("daily_profiles", date(2026, 12, 1)), PLACE),
    "operations": troubles(
        [
            Trouble("daily_profiles", "transient", NOW, notice(1).incident.last, 3),
            Trouble("orders", "ours", NOW, replace(notice(1).incident.last, run_id="run-c"), 1),
        ],
        {"daily_profiles": PLACE, "orders": replace(PLACE, export="orders", zone=ZoneInfo("UTC"))},
        {"run-b": Words("it is night: it is late", "it is late", "Wait.", "Knocking")},
        "https://dagster.example.com",
    ),
    "volume_near": volume(
        Usage(2026, 500 * 10**9, {"orders": 12 * 10**9, "daily_profiles": 400 * 10**9}), "https://dagster.example.com"
    ),
    "volume_over": volume(Usage(2026, 10**12, {f"export_{n:02}": 10**11 - n for n in range(22)}), None),
}


@pytest.mark.req("P37", "S11", "A5", "A11")
@pytest.mark.parametrize("name", LETTERS)
def test_letters_say_what_their_goldens_say(name: str) -> None:
    letter = LETTERS[name]
    assert f"Subject: {letter.subject}\n\n{as_text(letter)}" == (GOLDENS / f"{name}.txt").read_text()
    assert as_html(letter) == (GOLDENS / f"{name}.html").read_text()
    assert as_slack(letter) == json.loads((GOLDENS / f"{name}.json").read_text())


@pytest.mark.req("S10", "S11", "P37")
@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_every_notice_names_export_partition_destination_cause_fix_and_run(name: str) -> None:
    text = as_text(LETTERS[name])
    for told in ("daily_profiles", "2026-10-31", "acme_s3 (s3)", Words().cause, Words().fix, "/runs/run-b"):
        assert told in text
        assert told in as_html(LETTERS[name])


def test_a_message_has_the_same_id_however_often_it_is_made_and_follows_the_first_of_its_incident() -> None:
    ids = [failing(notice(number), PLACE, None).id for number in (1, 1, 2, 3)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert [failing(notice(number), PLACE, None).answers for number in (1, 2, 3)] == [None, ids[0], ids[0]]


def test_the_same_mail_has_the_same_bytes() -> None:
    mails = [mail_of(LETTERS["first"], sender="x@example.com", to=OWNER, now=NOW).as_bytes() for _ in range(2)]
    assert mails[0] == mails[1]


def test_what_a_service_said_can_neither_break_the_page_nor_the_chat() -> None:
    letter = Letter("id", "subject", "<b>&", (Section("<i>", (("<u>", "<script>"),)),), ("<hr>",))
    assert "<script>" not in as_html(letter)
    assert "<script>" not in json.dumps(as_slack(letter)["blocks"])


def test_a_message_about_many_exports_lists_the_first_of_them_and_stays_within_what_slack_takes() -> None:
    last = notice(1).incident.last
    many = [Trouble(f"export_{number}", "ours", NOW, replace(last, run_id=str(number)), 1) for number in range(60)]
    letter = troubles(many, {t.export: replace(PLACE, export=t.export) for t in many}, {}, None)
    assert len(letter.sections) == LISTED
    assert f"{60 - LISTED} more" in letter.opening
    blocks = as_slack(letter)["blocks"]
    assert isinstance(blocks, Sequence)
    assert len(blocks) <= 50


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    """As many tries as ever, without the waits between them."""
    with stamina.set_testing(True, attempts=TRIES):
        yield


def mailer(
    port: int,
    security: Security = "none",
    *,
    password: str | None = None,
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
) -> SmtpMailer:
    secrets = {"username": Secret("SMTP_USER"), "password": Secret("SMTP_PASSWORD")} if password else {}
    declared = Mail(host=HOST, port=port, security=security, sender="exports@example.com", timeout_seconds=5, **secrets)
    environment = {"SMTP_USER": USER, "SMTP_PASSWORD": password} if password else {}
    return SmtpMailer(declared, environment, trust)


def send(mailer: SmtpMailer | HttpWebhook, letter: Letter = LETTERS["first"], to: str = OWNER) -> None:
    mailer.send(letter, to=to, now=NOW)


def test_a_mail_arrives_with_text_and_html_and_the_id_of_its_letter(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        send(mailer(server.port), LETTERS["second"])
    (received,) = server.inbox.received
    assert received.to == (OWNER,)
    assert received.text == as_text(LETTERS["second"])
    assert received.html == as_html(LETTERS["second"])
    assert received.mail["Message-ID"] == f"<{LETTERS['second'].id}@example.com>"
    assert received.mail["In-Reply-To"] == f"<{LETTERS['first'].id}@example.com>"
    assert received.mail["Subject"] == "daily_profiles still can't be delivered (2 of 3)"
    assert received.mail["Date"] == "Sun, 01 Nov 2026 06:30:00 +0000"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd means STARTTLS alone
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_goes_over_tls(tmp_path: Path, security: Security) -> None:
    with smtp_server(tmp_path, security, asks_password=True) as server:
        send(mailer(server.port, security, password=PASSWORD, trust=server.trust))
    assert len(server.inbox.received) == 1


def refusal(mailer: SmtpMailer | HttpWebhook, to: str = OWNER) -> NotSent:
    with pytest.raises(NotSent) as refused:
        send(mailer, to=to)
    return refused.value


def test_a_wrong_password_is_a_mistake_of_the_settings_and_is_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with smtp_server(tmp_path, "starttls", asks_password=True) as server:
        problem = refusal(mailer(server.port, "starttls", password="wrong horse", trust=server.trust))
    assert (problem.obstacle, server.inbox.received) == ("misconfigured", [])
    assert "refused the user name or password (535)" in str(problem)
    shown = " ".join([str(problem), repr(problem), *(r.getMessage() for r in caplog.records if "ctexport" in r.name)])
    assert "horse" not in shown + repr(mailer(1, "tls", password="wrong horse"))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with smtp_server(tmp_path, "starttls") as server:
        problem = refusal(mailer(server.port, "starttls"))
    assert (problem.obstacle, server.inbox.received) == ("misconfigured", [])


def test_a_server_without_starttls_gets_no_mail_that_was_declared_to_use_it(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        problem = refusal(mailer(server.port, "starttls"))
    assert (problem.obstacle, server.inbox.received) == ("misconfigured", [])


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with smtp_server(tmp_path, "starttls", asks_password=True) as server:
        declared = mailer(server.port, "starttls", password=PASSWORD, trust=server.trust)
        problem = refusal(replace(declared, environment={"SMTP_USER": USER}))
    assert "SMTP_PASSWORD is not set" in str(problem)
    assert problem.obstacle == "misconfigured"


def test_a_recipient_that_is_refused_concerns_that_mail_alone_and_is_not_tried_again_at_once(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        server.inbox.to_recipients["gone@example.com"] = "550 no such user, but see secret@example.com"
        problem = refusal(mailer(server.port), to="gone@example.com")
        send(mailer(server.port))
    assert (problem.obstacle, server.inbox.tries) == ("refused", 2)
    assert "(550)" in str(problem)
    assert "secret" not in str(problem)


def test_a_server_that_is_busy_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        server.inbox.to_data = ["421 too busy", "421 too busy"]
        send(mailer(server.port))
    assert (len(server.inbox.received), server.inbox.tries) == (1, TRIES)


def test_a_connection_that_breaks_after_the_mail_was_taken_sends_it_again_under_the_same_id(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        server.inbox.to_data = ["drop"]
        send(mailer(server.port))
    assert len(server.inbox.received) == 2
    assert len({received.mail["Message-ID"] for received in server.inbox.received}) == 1


def test_a_server_that_is_down_is_down(tmp_path: Path) -> None:
    with smtp_server(tmp_path) as server:
        port = server.port
    problem = refusal(mailer(port))
    assert problem.obstacle == "down"
    assert "could not be reached (ConnectionRefusedError)" in str(problem)


@dataclass
class Chat:
    """A webhook on loopback: what was posted, and what it answers; 200 when nothing is left to answer."""

    posted: list[tuple[str, object]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""

    def webhook(self) -> HttpWebhook:
        return HttpWebhook(Webhook(url=Secret("HOOK")), {"HOOK": self.url})


@contextmanager
def chat_server() -> Iterator[Chat]:
    chat = Chat()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            chat.posted.append((self.path, json.loads(body)))
            status = chat.answers.pop(0) if chat.answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer((HOST, 0), Answering)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    chat.url = f"http://{HOST}:{server.server_address[1]}/services/TOKEN"
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_webhook_gets_the_letter_as_slack_takes_it() -> None:
    with chat_server() as chat:
        send(chat.webhook())
    assert chat.posted == [("/services/TOKEN", as_slack(LETTERS["first"]))]


def test_a_webhook_that_stumbles_is_asked_again() -> None:
    with chat_server() as chat:
        chat.answers = [503, 429]
        send(chat.webhook())
    assert len(chat.posted) == 3


@pytest.mark.parametrize("status", [302, 400, 404])
def test_a_webhook_that_refuses_or_points_elsewhere_has_not_taken_the_message(status: int) -> None:
    with chat_server() as chat:
        chat.answers = [status]
        problem = refusal(chat.webhook())
    assert (problem.obstacle, len(chat.posted)) == ("refused", 1)
    assert "TOKEN" not in str(problem) + repr(chat.webhook())


@pytest.mark.parametrize("url", ["", "ftp://example.com", "http://bad host/"])
def test_a_webhooks_address_that_is_none_is_a_mistake_of_the_settings(url: str) -> None:
    problem = refusal(HttpWebhook(Webhook(url=Secret("HOOK")), {"HOOK": url}))
    assert problem.obstacle == "misconfigured"
    assert "HOOK" in str(problem)
    assert not url or url not in str(problem)
