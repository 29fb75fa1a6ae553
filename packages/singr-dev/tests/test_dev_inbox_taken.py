"""What the Resend simulator took is in the inbox what was meant, and nothing that somebody typed becomes a header."""

import email
import email.policy
from typing import Any

import pytest

from singr_dev.inbox._taken import written
from singr_dev.simulators import Received

INJECTED = "=?utf-8?q?x=0d=0aBcc:_joe=40example.org?="


def taken(**changes: Any) -> tuple[Any, bytes, list[str]]:
    sent = {"from": '"Singr" <a@b.org>', "to": ["jane@example.org"], "subject": "Hi", "text": "T", "html": "<p>T"}
    raw, recipients, _ = written(Received("an-id", sent | changes, {}))
    return email.message_from_bytes(raw, policy=email.policy.compat32), raw, recipients


@pytest.mark.parametrize("name", ["Jane", 'Jo \\"x\\" <y>, z', INJECTED, "🎤 Ünal", "jo@example.org", "x" * 300, "("])
def test_mail_has_its_recipient_and_no_header_of_a_name_s_own_making(name: str):
    message, _, recipients = taken(to=[f'"{name}" <jane@example.org>'])
    assert recipients == ["jane@example.org"]
    assert message["Bcc"] is None
    assert str(message["To"]).endswith("<jane@example.org>")


@pytest.mark.parametrize("subject", [INJECTED, "é" * 200, "x" * 900])
def test_subject_is_shown_as_it_was_typed(subject: str):
    message, raw, _ = taken(subject=subject)
    assert message["Bcc"] is None
    assert b"\nBcc" not in raw
    read = "".join(
        part if isinstance(part, str) else part.decode() for part, _ in email.header.decode_header(message["Subject"])
    )
    assert read == subject


def test_long_link_of_a_header_stays_in_one_piece():
    link = f"<https://api.singr.example/v1/unsubscribe/{'a-token' * 40}>"
    _, raw, _ = taken(headers={"List-Unsubscribe": link})
    assert f"\r\nList-Unsubscribe: {link}\r\n".encode() in raw


@pytest.mark.parametrize("changes", [{"subject": "a\x1bb"}, {"headers": {"X-Other": "a\r\nBcc: joe@example.org"}}])
def test_mail_that_cannot_be_written_safely_says_so_in_its_place(changes: dict[str, Any]):
    message, raw, recipients = taken(**changes)
    assert message["Subject"] == "A mail that cannot be shown"
    assert b"Bcc" not in raw
    assert recipients == ["jane@example.org"]
