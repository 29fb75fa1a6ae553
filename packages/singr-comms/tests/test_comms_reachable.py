"""Recipients that cannot exist are refused where messages come in, by field, and before anything is stored."""

from typing import Any
from uuid import uuid4

import pytest

from singr_comms import EmailAddress, PlainPush, PlainSms, SongRequest
from singr_comms.notifications import EmailRequest, MessageIntake, PushRequest, SmsRequest
from singr_comms.notifications._rows import prints_of, recipient_hash
from singr_config import Secret
from singr_db import Sealer
from singr_jobs import IntakeError

SEALER = Sealer(Secret("s" * 40))
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")


def taken(request: Any, *, allow_test: bool = False) -> None:
    intake = MessageIntake(SEALER, allow_test=allow_test)
    intake.prepare(request, job_id=uuid4(), organization_id=uuid4(), correlation_id=None)


def sms(to: str) -> SmsRequest:
    return SmsRequest(to=to, message=PlainSms(text="x"))


def mail(to: str) -> EmailRequest:
    return EmailRequest(to=EmailAddress(to), message=SONG)


@pytest.mark.parametrize("to", ["+15555550100", "+254712345678", "+4915123456789", "+16135550100", "+442079460000"])
def test_number_that_can_exist_is_taken(to: str) -> None:
    taken(sms(to))


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("+999123456789", "its country code does not exist"),
        ("+1613555010", "too few digits"),
        ("+155555501001", "too many digits"),
        ("+2547123", "too few digits"),
    ],
)
def test_number_that_cannot_exist_is_refused_by_field_and_not_repeated(to: str, words: str) -> None:
    with pytest.raises(IntakeError) as caught:
        taken(sms(to))
    assert (caught.value.field, caught.value.code) == ("to", "malformed")
    assert words in caught.value.message
    assert to not in str(caught.value)


@pytest.mark.parametrize(
    ("to", "right", "begins"),
    [
        ("+4407911123456", "+447911123456", "+4479"),
        ("+49015112345678", "+4915112345678", "+4915"),
        ("+2540712345678", "+254712345678", "+25471"),
    ],
)
def test_number_written_in_another_way_is_refused_and_looked_up_as_the_number_that_it_reaches(
    to: str, right: str, begins: str
) -> None:
    with pytest.raises(IntakeError) as caught:
        taken(sms(to))
    assert (caught.value.field, caught.value.code) == ("to", "malformed")
    assert f"it begins with {begins}, without" in caught.value.message
    assert right[1:] not in str(caught.value)
    taken(sms(right))
    assert prints_of(SEALER, to) == [recipient_hash(SEALER, to), recipient_hash(SEALER, right)]
    assert prints_of(SEALER, right) == [recipient_hash(SEALER, right)]


@pytest.mark.parametrize(
    ("number", "other"), [("+525512345678", "+5215512345678"), ("+541123456789", "+5491123456789")]
)
def test_number_is_looked_up_with_and_without_the_digit_of_mobile_ones(number: str, other: str) -> None:
    both = {recipient_hash(SEALER, number), recipient_hash(SEALER, other)}
    assert set(prints_of(SEALER, number)) == set(prints_of(SEALER, other)) == both


@pytest.mark.parametrize("to", ["+390612345678", "+5491123456789", "+2250712345678", "+881612345678", "+37000000000"])
def test_number_whose_own_digits_look_like_a_prefix_is_taken_as_it_is(to: str) -> None:
    taken(sms(to))


@pytest.mark.parametrize("to", ["jane@example.org", "jane+x@mail.example", "j@xn--bcher-kva.example", "o'neil@b.co"])
def test_address_that_mail_can_reach_is_taken(to: str) -> None:
    taken(mail(to))


@pytest.mark.parametrize(
    "to", ["jane@localhost", "jane@b", "jane@x.invalid", "jane@printer.local", "jane@x.onion", "jane@192.0.2.1"]
)
def test_address_that_no_mail_reaches_is_refused_by_field(to: str) -> None:
    with pytest.raises(IntakeError) as caught:
        taken(mail(to), allow_test=True)
    assert (caught.value.field, caught.value.code) == ("to.email", "malformed")
    assert caught.value.message.startswith("must be a valid e-mail address, such as jane@example.org: the ")
    assert to not in str(caught.value)


def test_names_for_tests_are_taken_in_development_alone() -> None:
    taken(mail("jane@singr.test"), allow_test=True)
    with pytest.raises(IntakeError):
        taken(mail("jane@singr.test"))


def test_channel_that_says_nothing_of_it_takes_any_recipient() -> None:
    taken(PushRequest(to="device-token:0123456789", message=PlainPush(title="x", text="x")))
