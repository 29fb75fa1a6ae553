"""Which bounces say that there is no such mailbox, and which say something of what was sent."""

import time
from typing import Any

import pytest
from comms_callbacks import mailjet, resend
from comms_told import DOORS

from singr_comms.inbound import MessageNews


def stops(provider: str, callback: Any) -> str | None:
    [news] = DOORS.prove(provider, callback).news
    assert isinstance(news, MessageNews)
    return news.stops


def resend_bounce(message: object, **more: object) -> Any:
    bounce = {"type": "Permanent", "subType": "General", "message": message, **more}
    return resend({"type": "email.bounced", "data": {"bounce": bounce}}, event_id="m", at=time.time())


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("550 5.1.1 <x> User unknown", "bounced"),
        ("550-5.2.1 The account is disabled", "bounced"),
        ("556 5.1.10 null MX", "bounced"),
        ("550 No such user here", "bounced"),
        ("The address does not exist.", "bounced"),
        ("550 5.7.1 content looks like spam", "refused"),
        ("550 5.7.1 policy: 5.1.1 user unknown", "refused"),
        ("550 5.1.8 bad sender's system address", "refused"),
        ("550 rejected by policy: no such user may write here", "refused"),
        ("connected to 10.5.1.1", "refused"),
        ("The recipient's email provider sent a hard bounce message.", "refused"),
        ("", "refused"),
        (None, "refused"),
        ({"a": 1}, "refused"),
    ],
)
def test_permanent_bounce_of_resend_is_of_a_dead_mailbox_where_the_server_says_so(message: object, kind: str) -> None:
    assert stops("resend", resend_bounce(message)) == kind
    assert stops("resend", resend_bounce("A hard bounce.", diagnosticCode=[message])) == kind


@pytest.mark.parametrize("listed", ["NoEmail", "Suppressed", "OnAccountSuppressionList"])
def test_list_of_the_provider_says_nothing_of_a_mailbox(listed: str) -> None:
    assert stops("resend", resend_bounce("It has a history of hard bounces.", subType=listed)) == "refused"


@pytest.mark.parametrize(
    ("about", "error", "kind"),
    [
        ("recipient", "user unknown", "bounced"),
        ("recipient", "mailbox inactive", "bounced"),
        ("recipient", "quota exceeded", "refused"),
        ("domain", "relay/access denied", "refused"),
        ("spam", "sender blocked", "refused"),
        ("content", "user unknown", "refused"),
        ("", ["user unknown"], "refused"),
        (None, None, "refused"),
    ],
)
def test_hard_bounce_of_mailjet_is_of_a_dead_mailbox_where_its_error_says_so(about: Any, error: Any, kind: str) -> None:
    event = {"event": "bounce", "hard_bounce": True, "error_related_to": about, "error": error}
    assert stops("mailjet", mailjet(event)) == kind
    assert stops("mailjet", mailjet(event | {"hard_bounce": False})) == "bounced_softly"
