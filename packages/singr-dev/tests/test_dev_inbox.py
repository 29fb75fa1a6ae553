"""The development inbox: real SMTP in, files kept, pages that let a mail do nothing."""

import smtplib
import socket
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from singr_dev._errors import DevError
from singr_dev.inbox import Inbox


def mail(**changes: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Singr <noreply@singrkaraoke.com>"
    message["To"] = changes.get("to", "Jane <jane@example.org>")
    message["Subject"] = changes.get("subject", "Bohemian Rhapsody — näher dran 🎤")
    message.set_content(changes.get("text", "Your song is next.\n.\n.dots survive\n"))
    message.add_alternative(changes.get("html", "<h1>Your song is next</h1><script>alert(1)</script>"), subtype="html")
    return message


def deliver(inbox: Inbox, message: EmailMessage) -> None:
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port, timeout=10) as client:
        client.send_message(message)


def test_mail_arrives_whole_and_is_kept_as_a_file(inbox: Inbox):
    deliver(inbox, mail())
    arrived = inbox.wait(to="jane@example.org", subject="Rhapsody")
    assert arrived.subject == "Bohemian Rhapsody — näher dran 🎤"
    assert arrived.text.replace("\r\n", "\n") == "Your song is next.\n.\n.dots survive\n"
    assert "<h1>" in arrived.html
    assert [path.read_bytes() for path in inbox.store.directory.glob("*.eml")] == [arrived.raw]
    assert inbox.store.directory.stat().st_mode & 0o077 == 0


def test_mails_are_listed_and_shown_as_json(inbox: Inbox):
    deliver(inbox, mail(subject="first"))
    deliver(inbox, mail(subject="second", to="joe@example.org"))
    listed = httpx.get(f"{inbox.url}/api/messages").json()["messages"]
    assert [item["subject"] for item in listed] == ["second", "first"]
    shown = httpx.get(f"{inbox.url}/api/messages/{listed[0]['id']}").json()
    assert shown["envelope_to"] == ["joe@example.org"]
    assert "<script>" in shown["html"]
    raw = httpx.get(f"{inbox.url}/mail/{listed[0]['id']}/raw")
    assert raw.headers["content-type"].startswith("text/plain")
    assert b"Subject: second" in raw.content


def test_page_escapes_what_a_mail_says_of_itself(inbox: Inbox):
    deliver(inbox, mail(subject="<script>alert(1)</script>", to='"<b>x</b>" <jane@example.org>'))
    [arrived] = inbox.mails
    for path in ("/", f"/mail/{arrived.id}"):
        page = httpx.get(f"{inbox.url}{path}")
        assert "<script>alert" not in page.text
        assert "<b>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"


def test_mail_is_shown_in_a_frame_that_may_do_nothing(inbox: Inbox):
    deliver(inbox, mail())
    [arrived] = inbox.mails
    page = httpx.get(f"{inbox.url}/mail/{arrived.id}").text
    assert f'title="Mail" src="/mail/{arrived.id}/html">' in page
    assert "allow-scripts" not in page
    assert "allow-top-navigation" not in page
    policy = httpx.get(f"{inbox.url}/mail/{arrived.id}/html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "1", "a" * 300])
def test_nothing_but_mails_can_be_read(inbox: Inbox, name: str):
    for path in (f"/mail/{name}", f"/mail/{name}/raw", f"/api/messages/{name}"):
        assert httpx.get(f"{inbox.url}{path}").status_code == 404


def test_other_host_names_are_not_answered(inbox: Inbox):
    answer = httpx.get(f"{inbox.url}/api/messages", headers={"host": "rebound.example.org"})
    assert answer.status_code == 421


def test_ports_are_on_loopback_only(inbox: Inbox):
    for port in (inbox.smtp_port, int(inbox.url.rpartition(":")[2])):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_mails_outlive_a_restart(tmp_path: Path):
    with Inbox(tmp_path / "kept") as inbox:
        deliver(inbox, mail(subject="kept"))
    with Inbox(tmp_path / "kept") as inbox:
        assert [item.subject for item in inbox.mails] == ["kept"]


def test_waiting_in_vain_tells_what_did_arrive(inbox: Inbox):
    deliver(inbox, mail(subject="something else"))
    with pytest.raises(TimeoutError, match="something else"):
        inbox.wait(to="joe@example.org", seconds=0.2)


def test_open_connection_does_not_hold_up_the_end(tmp_path: Path):
    with Inbox(tmp_path / "inbox") as inbox:
        connection = socket.create_connection((inbox.smtp_host, inbox.smtp_port))
        assert connection.recv(100).startswith(b"220")
    connection.close()


def test_taken_port_is_named(tmp_path: Path, inbox: Inbox):
    with pytest.raises(DevError, match=f"port {inbox.smtp_port}"), Inbox(tmp_path / "x", smtp_port=inbox.smtp_port):
        pass
