"""What goes wrong is said as a rule that one can follow."""

import logging
import subprocess
import sys

import msgspec
import pytest

from singr_comms import (
    ConsoleSmsProvider,
    EmailAddress,
    EmailEnvelope,
    InvalidMessageError,
    PlainSms,
    SmsEnvelope,
    TwoFactorCode,
    VerificationCodeSms,
    check_email,
    check_sms,
)
from singr_comms._types import RULES


def patterns(schema: object) -> set[str]:
    """Every pattern of a JSON Schema."""
    if isinstance(schema, dict):
        own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
        return own.union(*map(patterns, schema.values()))
    return set().union(*map(patterns, schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize("model", [EmailEnvelope, SmsEnvelope])
def test_every_pattern_of_a_message_has_a_rule_in_words(model: type) -> None:
    assert patterns(msgspec.json.schema(model)) <= set(RULES)


@pytest.mark.parametrize(
    ("to", "name", "words"),
    [
        ("jane@", None, "to.email: must be an e-mail address"),
        ("jane@example.org", "a\nb", "to.name: must be one line"),
    ],
)
def test_a_wrong_mail_is_told_the_rule(to: str, name: str | None, words: str) -> None:
    message = TwoFactorCode(user_name="Ada", code="735104", expiry_minutes=5)
    with pytest.raises(InvalidMessageError) as caught:
        check_email(EmailEnvelope(to=EmailAddress(to, name), message=message, idempotency_token="t"))
    assert str(caught.value).startswith(words)
    assert "schema" not in str(caught.value)


@pytest.mark.parametrize(
    ("to", "code", "words"),
    [
        ("555", "042917", "to: must be a phone number in E.164 form"),
        ("+15555550100", "1", "message.code: must be 4 to 10"),
    ],
)
def test_a_wrong_sms_is_told_the_rule(to: str, code: str, words: str) -> None:
    message = VerificationCodeSms(code=code, expiry_minutes=5)
    with pytest.raises(InvalidMessageError) as caught:
        check_sms(SmsEnvelope(to=to, message=message, idempotency_token="t"))
    assert str(caught.value).startswith(words)


def test_the_console_prints_in_a_script() -> None:
    script = (
        "import asyncio\n"
        "from singr_comms import ConsoleSmsProvider, PlainSms, SmsEnvelope\n"
        "envelope = SmsEnvelope(to='+15555550100', message=PlainSms(text='Hello'), idempotency_token='t')\n"
        "asyncio.run(ConsoleSmsProvider().send(envelope))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "SMS plain to +1******0100 (GSM-7, parts: 1)\n"


async def test_the_console_logs_where_logging_is_set_up(caplog: pytest.LogCaptureFixture) -> None:
    envelope = SmsEnvelope(to="+15555550100", message=PlainSms(text="Hello"), idempotency_token="t")
    with caplog.at_level(logging.INFO, logger="singr_comms"):
        await ConsoleSmsProvider().send(envelope)
    assert "SMS plain" in caplog.text
