"""Lines of texts may end as forms of browsers end them, and are kept and shown as lines."""

from typing import Any

import msgspec
import pytest

from singr_comms import InvalidDataError, Message, PlainSms, message_from, render_email, render_sms
from singr_comms.messages.digest import Digest, DigestItem
from singr_comms.messages.plain import PlainEmail, PlainPush
from singr_comms.notifications import BrandingInput, MessageIntake, OverrideInput, check_brand
from singr_comms.notifications.branding._store import check_override
from singr_config import Secret
from singr_db import Sealer

FORM = "Dear Ada,\r\n\r\nsee you.\r\nJane"
KEPT = "Dear Ada,\n\nsee you.\nJane"


@pytest.mark.parametrize(("channel", "model"), [("email", PlainEmail), ("sms", PlainSms), ("push", PlainPush)])
def test_text_of_a_form_is_kept_with_line_feeds(channel: str, model: type[Message]) -> None:
    data = {"title": "x", "text": FORM}
    made: Any = message_from("plain", channel, data)
    assert made.text == KEPT
    sent = {"kind": "plain", **{name: data[name] for name in model.__struct_fields__ if name in data}}
    decoded: Any = msgspec.json.decode(msgspec.json.encode(sent), type=model)
    assert decoded.text == KEPT, "so a process of before can read what is stored"
    assert b"\\r" not in msgspec.json.encode(made)


def test_text_of_a_form_has_its_paragraphs_in_a_mail() -> None:
    rendered = render_email(PlainEmail(title="x", text=FORM))
    assert KEPT in rendered.text
    assert "see you.</span><br>" in rendered.html
    assert render_sms(PlainSms(text=FORM)) == KEPT


def test_items_of_digests_and_own_words_and_feet_take_them_too() -> None:
    item = DigestItem(title="x", body="a\r\nb")
    assert item.body == "a\nb"
    days: dict[str, Any] = {"period": "daily", "first_day": "2026-11-28", "last_day": "2026-11-28"}
    assert Digest(**days, items=(item,), link="https://singr.example/x").items[0].body == "a\nb"
    check_override("plain", "email", "en", OverrideInput(text="{title}\r\n\r\n{text}"))
    check_brand(BrandingInput(name="Farm", color="#0a6640", footer="Creek Road 1\r\nWillow"))


@pytest.mark.parametrize("text", ["a\rb", "\r\n", "a\x0bb", "a\r\n\x00"])
def test_no_other_control_character_passes(text: str) -> None:
    with pytest.raises(InvalidDataError) as caught:
        message_from("plain", "sms", {"text": text})
    assert caught.value.codes == {"text": "invalid"}


def test_text_in_which_nothing_can_be_seen_is_refused_wherever_an_organization_says_it() -> None:
    refused = MessageIntake(Sealer(Secret("s" * 40))).refusals("sms", PlainSms(text="\u200b"))
    assert [(field, code) for field, _, code in refused] == [("text", "malformed")]


@pytest.mark.parametrize(
    ("kind", "channel", "data", "said"),
    [
        ("plain", "sms", {"text": "x", "link": "HTTPS://singr.example"}, {}),
        (
            "order_ready",
            "sms",
            {"link": "HTTPS://singr.example/x"},
            {"link": "small letters", "farm_name": "is missing"},
        ),
        ("refund_processed", "email", {"amount": "IDR 1500000000"}, {"amount": "below 1,000,000,000"}),
        ("refund_processed", "email", {"amount": "EUR 1000000000.00", "x": 1}, {"amount": "below 1,000,000,000"}),
    ],
)
def test_what_is_wrong_is_said(kind: str, channel: str, data: dict[str, Any], said: dict[str, str]) -> None:
    if not said:
        message_from(kind, channel, data)  # what another channel has is left out
        return
    with pytest.raises(InvalidDataError) as caught:
        message_from(kind, channel, data)
    for name, words in said.items():
        assert words in caught.value.faults[name]
        assert caught.value.codes[name] == ("required" if name == "farm_name" else "invalid")
    assert caught.value.codes.get("x", "unknown_field") == "unknown_field"
