"""What production insists on."""

from collections.abc import Mapping

import pytest

from singr_config import ConfigurationError, all_variables, load_settings

REQUIRED = {
    "APP_URL_WEB",
    "APP_URL_CUSTOMER",
    "APP_URL_API",
    "DATABASE_URL",
    "REDIS_URL",
    "AUTH_SECRET",
    "JWT_PRIVATE_KEY",
    "JWT_PUBLIC_KEY",
    "EMAIL_PROVIDER",
    "SMS_PROVIDER",
    "SMS_COUNTRIES",
}


def problems_of(environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ, env_file=None)
    assert "canary" not in str(caught.value)
    return {problem.variable: problem.message for problem in caught.value.problems}


def test_a_complete_environment_starts(production: dict[str, str]):
    settings = load_settings(production, env_file=None)
    assert settings.observability.traces_sample_rate == 0.1
    assert settings.observability.environment == "production"
    assert not settings.email.mailjet.sandbox
    assert settings.app.cors_origins == ()
    assert not settings.object_store.configured


def test_an_empty_environment_is_told_everything_that_is_missing():
    assert set(problems_of({"APP_ENV": "production"})) == REQUIRED
    assert set(problems_of({"NODE_ENV": "production"})) == REQUIRED


@pytest.mark.parametrize("name", sorted(REQUIRED | {"MAILJET_API_KEY", "MAILJET_SECRET_KEY", "TWILIO_AUTH_TOKEN"}))
def test_each_missing_variable_stops_the_start_by_its_name(production: dict[str, str], name: str):
    del production[name]
    assert name in problems_of(production)


def test_a_site_with_rabbitmq_may_be_without_redis(production: dict[str, str]):
    del production["REDIS_URL"]
    settings = load_settings(
        {**production, "RABBITMQ_URL": "amqps://singr:pw-canary@rabbit.internal/singr"}, env_file=None
    )
    assert settings.rabbitmq.configured
    assert not settings.redis.configured


def test_a_bad_address_of_rabbitmq_is_named_without_its_password(production: dict[str, str]):
    said = problems_of({**production, "RABBITMQ_URL": "amqp://singr:pw-canary@rabbit.internal/a/b"})
    assert said == {"RABBITMQ_URL": "must end with one virtual host, whose own slashes are written %2F"}


def test_no_default_of_development_survives_into_production(production: dict[str, str]):
    everything = {item.variable.name: item.development_text for item in all_variables()}
    problems = problems_of({**everything, "APP_ENV": "production"})
    assert set(problems) >= {"AUTH_SECRET", "JWT_PRIVATE_KEY", "APP_URL_WEB", "S3_SECRET_ACCESS_KEY", "EMAIL_PROVIDER"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_SECRET", "x" * 40),
        ("AUTH_SECRET", "changeme-changeme-changeme-changeme-changeme"),
        ("AUTH_SECRET", "too-short-0123456789"),
        ("SIGNING_SECRET", "ab" * 20),
        ("MAILJET_SECRET_KEY", "your-mailjet-secret"),
        ("MAILJET_SANDBOX", "true"),
        ("EMAIL_REDIRECT_TO", "me@singr.example"),
        ("EMAIL_PROVIDER", "console"),
        ("SMS_PROVIDER", "console"),
        ("APP_URL_API", "http://api.example"),
        ("APP_URL_WEB", "http://localhost:3000"),
        ("CORS_ORIGINS", "https://a.example,http://b.example"),
        ("TWILIO_BASE_URL", "http://twilio.example"),
        ("TWILIO_STATUS_CALLBACK", "http://api.singr.example/v1/webhooks/twilio/status"),
        ("TWILIO_STATUS_CALLBACK", "https://api.singr.example/v1/webhooks/twilio"),
        ("TWILIO_STATUS_CALLBACK", "https://api.singr.example/v1/webhooks/twilio/inbound"),
        ("RESEND_WEBHOOK_SECRET", "whsec_not/base64!"),
        ("RESEND_WEBHOOK_SECRET", "whsec_c2VjcmV0c"),
        ("RESEND_WEBHOOK_SECRET_PREVIOUS", "re_0123456789"),
        ("RESEND_BASE_URL", "http://resend.example"),
        ("STRIPE_BASE_URL", "http://stripe.example"),
        ("SALUM_BASE_URL", "http://salum.example"),
        ("MAILJET_BASE_URL", "http://mailjet.example"),
        ("FIREBASE_BASE_URL", "http://fcm.example"),
        ("FIREBASE_TOKEN_URL", "http://fcm.example"),
        ("EMAIL_FALLBACK_PROVIDER", "console"),
        ("SMS_FALLBACK_PROVIDER", "console"),
        ("WEBAUTHN_ORIGINS", "http://singrkaraoke.example"),
        ("RATE_LIMIT_RELAXATION", "2"),
    ],
)
def test_a_value_that_is_unsafe_for_real_users_stops_the_start(production: dict[str, str], name: str, value: str):
    assert set(problems_of({**production, name: value})) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWILIO_STATUS_CALLBACK", "https://api.singr.example/v1/webhooks/twilio/status"),
        ("TWILIO_STATUS_CALLBACK", "https://hooks.example/texts"),
        ("RESEND_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("RESEND_WEBHOOK_SECRET", "c2VjcmV0cw=="),
        ("RESEND_WEBHOOK_SECRET_PREVIOUS", "whsec_c2VjcmV0cw"),
    ],
)
def test_a_value_as_its_provider_gives_it_is_taken(production: dict[str, str], name: str, value: str):
    load_settings({**production, name: value}, env_file=None)


def test_the_console_is_refused_with_the_way_to_run_without(production: dict[str, str]):
    problems = problems_of({**production, "EMAIL_PROVIDER": "console", "SMS_PROVIDER": "console"})
    assert "ENABLE_EMAIL_SENDING=false" in problems["EMAIL_PROVIDER"]
    assert "ENABLE_SMS_SENDING=false" in problems["SMS_PROVIDER"]
    switched_off = {"ENABLE_EMAIL_SENDING": "false", "ENABLE_SMS_SENDING": "false"}
    for name in ("EMAIL_PROVIDER", "SMS_PROVIDER", "MAILJET_API_KEY", "TWILIO_AUTH_TOKEN"):
        del production[name]
    load_settings({**production, **switched_off}, env_file=None)


def test_smtp_in_production_needs_a_host(production: dict[str, str]):
    assert set(problems_of({**production, "EMAIL_PROVIDER": "smtp"})) == {"SMTP_HOST"}
    load_settings({**production, "EMAIL_PROVIDER": "smtp", "SMTP_HOST": "mail.internal"}, env_file=None)


def test_a_page_on_this_machine_may_be_named_as_an_origin(production: dict[str, str]):
    load_settings({**production, "CORS_ORIGINS": "http://localhost:3000,http://127.0.0.1:1"}, env_file=None)


def test_the_object_store_is_on_only_when_it_is_complete(production: dict[str, str]):
    assert set(problems_of({**production, "S3_BUCKET": "exports"})) == {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}
    store = {"S3_BUCKET": "exports", "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret-secret"}
    assert load_settings({**production, **store}, env_file=None).object_store.configured


def test_passkeys_belong_to_the_web_app_and_to_what_lies_below_it(production: dict[str, str]):
    auth = load_settings(production, env_file=None).auth
    assert auth.webauthn_rp_id == "singrkaraoke.example"
    assert auth.webauthn_origins == ("https://singrkaraoke.example", "https://customers.singrkaraoke.example")
    apart = {**production, "APP_URL_CUSTOMER": "https://customers.example"}
    assert load_settings(apart, env_file=None).auth.webauthn_origins == ("https://singrkaraoke.example",)


def test_an_origin_of_another_domain_is_refused_for_passkeys(production: dict[str, str]):
    for origin in ("https://evil-singrkaraoke.example", "https://singrkaraoke.example.evil.example", "https://example"):
        assert set(problems_of({**production, "WEBAUTHN_ORIGINS": origin})) == {"WEBAUTHN_ORIGINS"}
    below = {**production, "WEBAUTHN_RP_ID": "example", "WEBAUTHN_ORIGINS": "https://a.example,https://b.c.example"}
    assert load_settings(below, env_file=None).auth.webauthn_origins == ("https://a.example", "https://b.c.example")


@pytest.mark.parametrize(
    "name", ["https://singrkaraoke.example", "singrkaraoke.example:443", "192.0.2.1", "::1", "a/b"]
)
def test_passkeys_belong_to_a_domain_and_to_nothing_else(production: dict[str, str], name: str):
    assert "WEBAUTHN_RP_ID" in problems_of({**production, "WEBAUTHN_RP_ID": name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_REFRESH_GRACE", "301"),
        ("JWT_REFRESH_GRACE", "-1"),
        ("AUTH_SESSION_TTL", "0"),
        ("AUTH_DEVICE_TTL", "40000000"),
    ],
)
def test_lifetimes_beyond_reason_stop_the_start(production: dict[str, str], name: str, value: str):
    assert set(problems_of({**production, name: value})) == {name}
