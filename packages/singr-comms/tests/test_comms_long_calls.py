"""A mail server may look at a mail for a while before it answers; nobody else waits longer for that than they must."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from comms_smtp_script import SENDER, SILENCE, Script

from singr_comms import SmtpProvider, TransientError, TwoFactorCode, UnknownOutcomeError, email_provider
from singr_comms.channels._channel import LONGEST_CALL, longest_call
from singr_comms.notifications import settle_messages
from singr_comms.notifications.channels import WORK
from singr_comms.notifications.sending import _ordinary, _sender
from singr_comms.notifications.sending._line_ups import LineUps
from singr_comms.providers import smtp as by_smtp
from singr_config.testing import settings_for_tests
from singr_jobs import RetryLater

Make = Callable[..., Any]
CODE = TwoFactorCode(user_name="Jane Doe", code="735104", expiry_minutes=5)
BY_SMTP = {"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "mx.example", "ENABLE_EMAIL_SENDING": "true"}


class Killed(BaseException):
    """The process ended here: nothing after this line ran."""


async def kill() -> None:
    raise Killed


async def sent(script: Script, envelope: Any, **limits: float) -> None:
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, **limits)
        try:
            await provider.send(envelope)
        finally:
            await provider.close()


@pytest.mark.parametrize("pipelining", [False, True])
async def test_server_may_look_at_a_mail_for_longer_than_any_other_step_takes(
    song_email: Make, *, pipelining: bool
) -> None:
    script = Script(reads=2.0, pipelining=pipelining)
    await sent(script, song_email(), timeout=1.0)
    assert script.heard.count("DATA") == len(script.mails) == 1


async def test_mail_whose_answer_never_comes_is_unknown_once_the_time_of_the_delivery_is_over(song_email: Make) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(UnknownOutcomeError) as caught:
            await sent(Script(**{".": SILENCE}), song_email(), deadline=1.5)
    assert caught.value.code == "timeout"
    assert caught.value.message == "no answer in time while the mail server took the message"


async def test_what_comes_before_the_mail_has_the_time_of_any_provider(
    song_email: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_smtp, "LONGEST_CALL", 1.0)
    async with asyncio.timeout(12):
        with pytest.raises(TransientError) as caught:
            await sent(Script(RCPT=SILENCE), song_email())
    assert caught.value.message == "no answer in time before the message was handed over"


async def test_job_outlasts_the_longest_delivery_and_nobody_settles_its_message_before(http: httpx.AsyncClient) -> None:
    provider = email_of(http)
    before = _sender._TIME_FOR_ANOTHER + _ordinary.PATIENCE
    assert LONGEST_CALL < longest_call(provider) <= WORK["email"].timeout - before
    assert longest_call(provider) < inspect.signature(settle_messages).parameters["idle"].default


async def test_redirected_mail_has_the_same_time(http: httpx.AsyncClient) -> None:
    assert longest_call(email_of(http, EMAIL_REDIRECT_TO="me@example.org")) == longest_call(email_of(http))


def email_of(http: httpx.AsyncClient, **more: str) -> Any:
    settings = settings_for_tests(**BY_SMTP, **more)
    return email_provider(settings.email, settings.app, http)


@pytest.mark.parametrize(("takes", "code", "waits"), [(90.0, False, 92.0), (90.0, True, 20.0), (None, False, 20.0)])
async def test_second_runner_waits_for_a_long_call_unless_the_message_may_repeat(
    bench: Any, song_email: Make, takes: float | None, *, code: bool, waits: float
) -> None:
    if takes is not None:
        bench.email.longest_call = takes
    message_id = await bench.queue(CODE if code else song_email().message)
    bench.email.before.append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id, in_flight=None)
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id, in_flight=None)
    assert caught.value.code == "in_flight"
    assert waits - 15 < caught.value.after <= waits + 0.2


def test_providers_that_say_nothing_and_those_that_are_gone_have_the_usual_time(bench: Any) -> None:
    line_ups = LineUps({"email": bench.email, "sms": bench.sms})
    assert {line_ups.longest_call("email", name) for name in (bench.email.name, "gone", None)} == {LONGEST_CALL}
