from contextlib import suppress
from datetime import date
from itertools import product
from typing import get_args

import msgspec
import pytest

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    EmailMessage,
    InvalidMessageError,
    PlainSms,
    SmsEnvelope,
    SmsMessage,
    Welcome,
    check_email,
    check_sms,
    message_types,
    preview,
    render_email,
    render_sms,
)
from singr_comms.catalogue import Amount, LocalDateTime, LocalDay
from singr_comms.messages.delivery_update import DeliveryStatus, DeliveryUpdatePush, DeliveryUpdateSms
from singr_comms.messages.order_ready import OrderReadySms
from singr_comms.messages.payment_received import PaymentReceivedSms
from singr_config import MailjetTemplates

STATUSES = get_args(DeliveryStatus)
DELIVERY_UPDATES = (DeliveryUpdateSms, DeliveryUpdatePush)

# What a template kept at Mailjet may receive, by kind: a name that changes here breaks it there.
PROMISED_VARIABLES = {
    "verification": ["user_name", "verification_link", "verification_code", "expiry_hours"],
    "email_change": ["account", "new_email", "confirm_link", "code", "expiry_hours"],
    "email_changed": [
        *("user_name", "new_email", "occurred_at", "undo_link", "expiry_days"),
        *("ip_address", "device"),
    ],
    "password_reset": ["user_name", "reset_link", "expiry_minutes"],
    "magic_link": ["user_email", "magic_link", "expiry_minutes", "ip_address"],
    "two_factor_code": ["user_name", "code", "expiry_minutes"],
    "welcome": ["user_name", "account_type", "dashboard_link"],
    "invitation": ["inviter_name", "organization_name", "invitation_link", "expiry_days"],
    "song_request": ["venue_name", "artist", "title", "link", "singer_name"],
}
BAD_LINES = [
    "",
    " ",
    "\t",
    "a\nb",
    "a\r\nBcc: x@example.org",
    "a\n",
    "a\x00b",
    "a\x1bb",
    "a\u2028b",
    "a\u202eb",
    "x" * 101,
]
BAD_ADDRESSES = [
    "",
    "jane",
    "@example.org",
    "jane@",
    ".jane@example.org",
    "jane..x@example.org",
    "jane@-example.org",
    "jané@example.org",
    "jane@example.org\n",
    "jane@example.org\r\nBcc: x@example.org",
    "jane@example.org,joe@example.org",
    "<jane@example.org>",
    "Jane <jane@example.org>",
    "jane example@example.org",
    "x" * 65 + "@example.org",
    "j@" + "a" * 64 + ".org",
    '"j\r\n"@x.org',
]
BAD_LINKS = [
    "javascript:alert(1)",
    "ftp://example.org/a",
    "//example.org",
    "https://",
    "https://a b.example/",
    "https://x.example/\n",
    "https://singr.example@evil.example/",
    'https://x.example/"onclick="',
    "https://x.example/<b>",
    "data:text/html,hi",
    "https://x.example/" + "a" * 2048,
]
BAD_NUMBERS = [
    "",
    "5555550100",
    "+0155555501",
    "+1555",
    "+1555555010012345",
    "+1 555 555 0100",
    "+15555550100\n",
    "+\N{FULLWIDTH DIGIT ONE}5555550100",
]


@pytest.mark.parametrize("kind", PROMISED_VARIABLES)
def test_an_email_kind_has_exactly_the_variables_that_are_promised(kind: str) -> None:
    kinds = {member.__struct_config__.tag: list(member.__struct_fields__) for member in EmailMessage.__args__}
    assert kinds[kind] == PROMISED_VARIABLES[kind]


def test_every_email_kind_that_mailjet_may_render_promises_its_variables() -> None:
    settings = set(MailjetTemplates.__struct_fields__)
    assert {{"two_factor_code": "two_factor"}.get(kind, kind) for kind in PROMISED_VARIABLES} >= settings


PROMISED_CHANNELS = {
    "sms": [
        *("order_confirmed", "order_ready", "order_cancelled", "verification_code", "password_reset"),
        *("delivery_update", "low_stock_alert", "new_review", "payment_failed", "payment_received"),
        *("farm_approved", "farm_rejected", "welcome", "one_time_code", "plain", "two_factor_code", "magic_link"),
    ],
    "push": [
        *("order_confirmed", "order_ready", "order_cancelled", "new_message", "new_review", "low_stock_alert"),
        *("payment_failed", "payment_received", "delivery_update", "farm_approved", "farm_rejected", "price_drop"),
        *("seasonal_product", "welcome", "refund_processed", "plain", "pickup_reminder", "review_request", "campaign"),
    ],
    "email": [
        *("verification", "password_reset", "magic_link", "two_factor_code", "welcome", "invitation", "song_request"),
        *("digest", "order_confirmed", "order_ready", "order_cancelled", "payment_received", "payment_failed"),
        *(
            "farm_approved",
            "farm_rejected",
            "refund_processed",
            "plain",
            "pickup_reminder",
            "review_request",
            "renewal_reminder",
            "campaign",
        ),
    ],
}


@pytest.mark.parametrize(("channel", "name"), [(c, name) for c, names in PROMISED_CHANNELS.items() for name in names])
def test_every_type_of_the_specification_travels_by_the_channels_that_it_names(channel: str, name: str) -> None:
    one = message_types.named(name)
    assert one is not None
    assert channel in one.models
    assert channel in {shown for shown, _ in one.samples()}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": "12.50 EUR"}, "amount"),
        ({"amount": "EUR 012"}, "amount"),
        ({"amount": "EUR evil.example"}, "amount"),
        *(({"amount": amount}, "amount") for amount in ("JPY 12.50", "EUR 12.505", "BHD 1.2345", "ABC 12", "eur 12")),
        ({"order_number": "x" * 65}, "order_number"),
    ],
)
def test_amounts_and_numbers_leave_no_room_for_words(changes: dict[str, str], field: str) -> None:
    given = {"farm_name": "Farm", "order_number": "7", "amount": "EUR 12.50", "link": "https://singr.example/x"}
    with pytest.raises(InvalidMessageError) as caught:
        check_sms(
            SmsEnvelope(to="+15555550100", message=PaymentReceivedSms(**(given | changes)), idempotency_token="t")
        )
    assert caught.value.field == f"message.{field}"


@pytest.mark.parametrize("at", ["2026-11-28", "2026-13-01T10:00", "tomorrow", "2026-11-28T25:00", "2026-11-28T17:00\n"])
def test_a_time_is_a_day_and_a_time_and_nothing_else(at: str) -> None:
    with pytest.raises(InvalidMessageError, match="such as 2026-11-28T17:00"):
        render_sms(
            OrderReadySms(
                farm_name="F", order_number="7", pickup_place="P", link="https://a.example/x", pickup_until=at
            )
        )


@pytest.mark.parametrize("amount", ["EUR 12", "EUR 12.5", "EUR 12.50", "JPY 1250", "BHD 1.250", "ISK 0", "BGN 0.10"])
def test_an_amount_may_have_the_decimals_of_its_currency(amount: str) -> None:
    assert msgspec.convert(amount, Amount) == amount


@pytest.mark.parametrize("year", ["0001", "1900", "2000", "2024", "2026", "2100", "9996", "9999"])
def test_a_day_is_one_that_there_is(year: str) -> None:
    def is_day(given: str) -> bool:
        try:
            return bool(date.fromisoformat(given))
        except ValueError:
            return False

    taken = set()
    for month, day in product(range(14), range(33)):
        given = f"{year}-{month:02}-{day:02}"
        for kind, text in ((LocalDay, given), (LocalDateTime, f"{given}T21:30")):
            with suppress(msgspec.ValidationError):
                taken.add(msgspec.convert(text, kind)[:10])
                assert is_day(given), text
        assert (given in taken) == is_day(given)


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_only_a_delivery_that_is_still_to_come_is_expected(locale: str) -> None:
    given = {"farm_name": "F", "order_number": "7", "link": "https://a.example/x", "expected_at": "2026-11-28T17:00"}
    told = {status: render_sms(DeliveryUpdateSms(status=status, **given), locale=locale) for status in STATUSES}
    assert {status for status, words in told.items() if "17:00" not in words} == {"delivered", "failed"}


def test_each_status_of_a_delivery_has_examples() -> None:
    one = message_types.named("delivery_update")
    assert one is not None
    shown = {(channel, message.status) for channel, message in one.samples() if isinstance(message, DELIVERY_UPDATES)}
    assert shown == {(channel, status) for channel in one.models for status in STATUSES}


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_a_reminder_that_is_asked_for_the_day_before_says_which_day_is_meant(locale: str) -> None:
    one = message_types.named("pickup_reminder")
    assert one is not None
    for _, message in one.samples():
        shown = preview(message, locale=locale)
        for words in filter(None, (shown.subject, shown.text if shown.channel == "sms" else None)):
            assert "2026" in words


@pytest.mark.parametrize("name", BAD_LINES)
def test_names_that_could_split_or_hide_a_line_are_refused(name: str) -> None:
    message = Welcome(user_name=name, account_type="singer", dashboard_link="https://singr.example")
    with pytest.raises(InvalidMessageError) as caught:
        render_email(message)
    assert caught.value.field == "user_name"
    envelope = EmailEnvelope(
        to=EmailAddress("jane@example.org", name),
        message=msgspec.structs.replace(message, user_name="Jane"),
        idempotency_token="t",
    )
    with pytest.raises(InvalidMessageError) as caught:
        check_email(envelope)
    assert caught.value.field == "to.name"


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_broken_addresses_are_refused(address: str) -> None:
    message = Welcome(user_name="Jane", account_type="singer", dashboard_link="https://singr.example")
    with pytest.raises(InvalidMessageError) as caught:
        check_email(EmailEnvelope(to=EmailAddress(address), message=message, idempotency_token="t"))
    assert caught.value.field == "to.email"


@pytest.mark.parametrize("link", BAD_LINKS)
def test_only_plain_http_links_are_accepted(link: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        render_email(Welcome(user_name="Jane", account_type="singer", dashboard_link=link))
    assert caught.value.field == "dashboard_link"


@pytest.mark.parametrize(
    "link", ["http://localhost:3000", "https://singr.example/a?token=x%20y#z", "http://[::1]:3000/", "https://a.b?x=1"]
)
def test_the_links_that_settings_lead_to_are_accepted(link: str) -> None:
    assert (
        link.replace("&", "&amp;")
        in render_email(Welcome(user_name="Jane", account_type="singer", dashboard_link=link)).html
    )


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_only_e164_numbers_are_accepted(number: str) -> None:
    with pytest.raises(InvalidMessageError):
        check_sms(SmsEnvelope(to=number, message=PlainSms(text="x"), idempotency_token="t"))


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "a@b", "<a>", "a" * 65])
def test_tokens_that_do_not_fit_a_header_are_refused(token: str) -> None:
    with pytest.raises(InvalidMessageError):
        check_sms(SmsEnvelope(to="+15555550100", message=PlainSms(text="x"), idempotency_token=token))


@pytest.mark.parametrize("text", ["", "  \n ", "a\x00b", "a\x07", "x" * 1601, "a\u202eb"])
def test_plain_texts_hold_no_control_characters(text: str) -> None:
    with pytest.raises(InvalidMessageError):
        check_sms(SmsEnvelope(to="+15555550100", message=PlainSms(text=text), idempotency_token="t"))


def test_a_lone_surrogate_is_refused_and_not_a_crash() -> None:
    with pytest.raises(InvalidMessageError):
        check_sms(SmsEnvelope(to="+15555550100", message=PlainSms(text="a\ud800"), idempotency_token="t"))


def test_an_error_never_repeats_the_value() -> None:
    secret = "sesame\n"
    with pytest.raises(InvalidMessageError) as caught:
        render_email(Welcome(user_name=secret, account_type="singer", dashboard_link="https://singr.example"))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"welcome","user_name":"J","account_type":"singer","dashboard_link":"https://a.example","extra":1}',
        b'{"kind":"nonsense","user_name":"J"}',
        b'{"user_name":"J"}',
        b'{"kind":"two_factor_code","user_name":"J","code":"123456","expiry_minutes":"5"}',
        b'{"kind":"two_factor_code","user_name":"J","code":"12 456","expiry_minutes":5}',
        b'{"kind":"two_factor_code","user_name":"J","code":"123456","expiry_minutes":0}',
        b'{"kind":"welcome","user_name":"J","account_type":"root","dashboard_link":"https://a.example"}',
    ],
)
def test_decoding_refuses_what_the_model_does_not_name(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=EmailMessage)


def test_the_schema_tells_kinds_apart_and_closes_objects() -> None:
    for union in (EmailMessage, SmsMessage):
        (schema,), components = msgspec.json.schema_components([union])
        assert schema["discriminator"]["propertyName"] == "kind"
        assert all(component["additionalProperties"] is False for component in components.values())
