"""A refused variable is named, and its rule is told in words: nobody has to know the names of Python's types."""

import msgspec
import pytest

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    InvalidMessageError,
    PlainSms,
    SmsEnvelope,
    SongRequestSms,
    TwoFactorCodeSms,
    Welcome,
    check_email,
    check_sms,
)

SONG = SongRequestSms(venue_name="Bar", artist="A", title="T", link="https://singr.example/x")
CODE = TwoFactorCodeSms(code="042917", expiry_minutes=5)


@pytest.mark.parametrize(
    ("message", "changes", "says"),
    [
        (SONG, {"venue_name": ""}, "message.venue_name: must have at least 1 character"),
        (SONG, {"venue_name": "x" * 201}, "message.venue_name: must have at most 200 characters"),
        (SONG, {"venue_name": 7}, "message.venue_name: must be a string, not an integer"),
        (SONG, {"singer_name": 7}, "message.singer_name: must be a string or null, not an integer"),
        (
            SONG,
            {"venue_name": "\ud800"},
            "message.venue_name: contains a value that cannot be written as JSON in UTF-8",
        ),
        (SONG, {"title": b"x".join}, "message.title: contains a value that cannot be written as JSON in UTF-8"),
        (CODE, {"expiry_minutes": 0}, "message.expiry_minutes: must be an integer of at least 1"),
        (CODE, {"expiry_minutes": 1441}, "message.expiry_minutes: must be an integer of at most 1440"),
        (CODE, {"expiry_minutes": 2.5}, "message.expiry_minutes: must be an integer, not a number"),
        (CODE, {"expiry_minutes": None}, "message.expiry_minutes: must be an integer, not null"),
        (PlainSms(text="x"), {"text": ""}, "message.text: must have at least 1 character"),
    ],
)
def test_variable_of_an_sms_is_refused_by_name_and_rule(message, changes, says):
    broken = msgspec.structs.replace(message, **changes)
    with pytest.raises(InvalidMessageError) as caught:
        check_sms(SmsEnvelope(to="+15555550100", message=broken, idempotency_token="t"))
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("to", "account_type", "says"),
    [
        (EmailAddress("jane@example.org", "\udfff"), "singer", "to.name: contains a value"),
        (EmailAddress("a"), "singer", "to.email: must have at least 3 characters"),
        (EmailAddress("jane@example.org"), "", "message.account_type: must "),
    ],
)
def test_field_of_an_email_is_refused_by_name_and_rule(to, account_type, says):
    message = Welcome(user_name="Jane", account_type=account_type, dashboard_link="https://singr.example")
    with pytest.raises(InvalidMessageError) as caught:
        check_email(EmailEnvelope(to=to, message=message, idempotency_token="t"))
    assert str(caught.value).startswith(says)
    assert "Expected" not in str(caught.value)
    assert "`" not in str(caught.value)
