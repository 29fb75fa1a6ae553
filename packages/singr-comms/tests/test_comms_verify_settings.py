"""Which verifier settings lead to, and where it is found."""

import httpx
import msgspec
import pytest

from singr_comms import ConsoleVerify, TwilioVerify, phone_verifier
from singr_config import AppEnv, AppSettings, Secret, Settings, SmsProviderName, SmsSettings, TwilioSettings
from singr_dev.simulators import TwilioSimulator

PHONE = "+15555550100"
SERVICE = "VA" + "0" * 32


def sms_settings(
    provider: SmsProviderName, *, enabled: bool = True, service: str = SERVICE, **more: str
) -> SmsSettings:
    return SmsSettings(
        provider=provider,
        enabled=enabled,
        twilio=TwilioSettings(account_sid="AC" + "0" * 32, auth_token=Secret("t"), verify_service_sid=service, **more),
    )


@pytest.fixture
def app(settings: Settings) -> AppSettings:
    return settings.app


@pytest.mark.parametrize(
    ("env", "provider", "enabled", "expected"),
    [
        (AppEnv.PRODUCTION, SmsProviderName.TWILIO, True, TwilioVerify),
        (AppEnv.DEVELOPMENT, SmsProviderName.TWILIO, True, TwilioVerify),
        (AppEnv.PRODUCTION, SmsProviderName.TWILIO, False, type(None)),
        (AppEnv.PRODUCTION, SmsProviderName.CONSOLE, False, type(None)),
        (AppEnv.DEVELOPMENT, SmsProviderName.TWILIO, False, ConsoleVerify),
        (AppEnv.TEST, SmsProviderName.CONSOLE, True, ConsoleVerify),
    ],
)
async def test_settings_lead_to_a_verifier_that_suits_where_it_runs(
    http: httpx.AsyncClient, app: AppSettings, env: AppEnv, provider: SmsProviderName, *, enabled: bool, expected: type
) -> None:
    made = phone_verifier(sms_settings(provider, enabled=enabled), msgspec.structs.replace(app, env=env), http)
    assert type(made) is expected


@pytest.mark.parametrize("env", list(AppEnv))
async def test_without_a_service_verify_is_off(http: httpx.AsyncClient, app: AppSettings, env: AppEnv) -> None:
    off = sms_settings(SmsProviderName.TWILIO, service="")
    assert phone_verifier(off, msgspec.structs.replace(app, env=env), http) is None


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.twilio.com", "verify.twilio.com"),
        ("https://api.dublin.ie1.twilio.com/", "verify.dublin.ie1.twilio.com"),
        ("https://api.twilio.com.evil.example", "api.twilio.com.evil.example"),
        ("https://gateway.example", "gateway.example"),
    ],
)
async def test_verify_is_found_beside_the_api(app: AppSettings, base_url: str, host: str) -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(201, json={"status": "pending", "to": PHONE})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        made = phone_verifier(sms_settings(SmsProviderName.TWILIO, base_url=base_url), app, http)
        assert made is not None
        await made.start(PHONE)
    assert (asked[0].scheme, asked[0].host, asked[0].path) == (
        "https",
        host,
        f"/v2/Services/{SERVICE}/Verifications",
    )


async def test_settings_of_the_simulator_lead_to_it(
    http: httpx.AsyncClient, settings: Settings, twilio: TwilioSimulator
) -> None:
    made = phone_verifier(settings.sms, settings.app, http)
    assert isinstance(made, TwilioVerify)
    await made.start(PHONE)
    assert await made.check(PHONE, twilio.code_for(PHONE)) is True
