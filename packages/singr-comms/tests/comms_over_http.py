"""Providers at an address of the test's own, with time to answer or without."""

from collections.abc import Callable
from typing import Any

import httpx

from singr_comms import EmailAddress, MailjetProvider, TwilioProvider
from singr_config import Secret

SENDER = EmailAddress("noreply@singrkaraoke.com")
PATIENT = 60.0
IMPATIENT = 0.5  # where nothing will be answered
TRACE = {"x-request-id": "req-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
Make = Callable[..., Any]


def mailjet_at(url: str, http: httpx.AsyncClient, deadline: float = PATIENT) -> MailjetProvider:
    return MailjetProvider(
        http,
        api_key=Secret("key"),
        secret_key=Secret("secret"),
        sender=SENDER,
        base_url=url,
        trace_headers=lambda: TRACE,
        deadline=deadline,
    )


def twilio_at(url: str, http: httpx.AsyncClient, deadline: float = PATIENT) -> TwilioProvider:
    return TwilioProvider(
        http,
        account_sid="AC1",
        auth_token=Secret("token"),
        sender="+15555550199",
        base_url=url,
        trace_headers=lambda: TRACE,
        deadline=deadline,
    )
