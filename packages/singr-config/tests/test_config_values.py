"""What each kind of value accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_config import ConfigurationError, LimitSettings, all_variables, load_settings
from singr_config.constants import RATE_LIMITS, RateLimit
from singr_config.testing import settings_for_tests

GOOD = {
    "PORT": ["1", "65535", "0"],
    "ENABLE_REQUEST_LOGGING": ["true", "1", "yes", "on", "false", "0", "NO", "Off"],
    "TRACES_SAMPLE_RATE": ["0", "1", "0.25", "1.0"],
    "DATABASE_URL": [
        "postgresql://singr@localhost:5432/singr",
        "postgres://u:p%40@db/x",
        "postgresql+psycopg://u@h/d",
        "postgresql://singr@/postgres?host=/run/pg",
        "postgresql://singr@/postgres?host=@abstract",
        "postgresql://u:p%2Fw%23%40@a:5432,b:5433,[::1]/d?target_session_attrs=read-write",
        "postgresql://u:p:w@h/d",
    ],
    "REDIS_URL": ["redis://localhost", "rediss://u:p@h:6380/1", "unix:///run/redis.sock", "unix:///r/s.sock?db=3"],
    "RABBITMQ_URL": ["amqp://localhost", "amqps://u:p%40@h:5671/singr", "amqp://u:p@[::1]:5672/%2F", "amqp://h/"],
    "S3_ENDPOINT": ["http://objects:8333", "https://s3.eu-west-1.amazonaws.com"],
    "CORS_ORIGINS": ["https://a.example", "https://a.example, http://localhost:3000/"],
    "HOST": ["0.0.0.0", "::", "::1", "localhost", "api.internal"],
    "TWILIO_PHONE_NUMBER": ["+15555550100", "+4915123456789"],
    "EMAIL_FROM": ["noreply@singrkaraoke.com", "Singr Karaoke <a@b.example>", "a.b+c@mail.example.org"],
    "TRUSTED_PROXIES": ["10.0.0.1", "10.0.0.0/8,fd00::/8"],
    "WORKER_RATES": ["email=100/60", "email=100/60, two-factor=10/1", "billing-2=1/1"],
    "PROVIDER_RATES": ["twilio=1/1", "mailjet=600/60, fcm=1000/1"],
    "WORKER_PLACES": ["billing=4/120", "billing=1000/86400, two-factor=1/1"],
    "MESSAGES_BY_CATEGORY": ["account=7/400", "a_b=30/30, marketing=1/14"],
    "SENTRY_DSN": ["https://key@o1.ingest.sentry.io/42"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["http://collector:4318", "https://otel.example/v1/traces/"],
    "AUTH_SECRET_PREVIOUS": ["x" * 32, f"{'x' * 32} , {'y' * 40}"],
}
BAD = {
    "PORT": ["65536", "-1", "80.0", "1_000", "٣٠٠٠", "３０００", "0x50", "+80", "9" * 30, "abc"],  # noqa: RUF001 - full-width digits are the point
    "JWT_ACCESS_TTL": ["901", "0"],
    "WORKER_PROCESSES": ["0"],
    "ENABLE_REQUEST_LOGGING": ["maybe", "2", "tru"],
    "TRACES_SAMPLE_RATE": ["1.1", "-0.1", "nan", "1e-1", ".5"],
    "LOG_LEVEL": ["INFO", "warning", "verbose"],
    "EMAIL_PROVIDER": ["sendgrid", "Mailjet"],
    "SMS_PROVIDER": ["vonage", "Twilio"],
    "DATABASE_URL": [
        "sqlite:///x.db",
        "postgresql://localhost",
        "postgresql:///x",
        "postgresql://u@h:port/d",
        "postgresql:x",
        "postgresql://u@a:5432,b:port/d",
        "postgresql://u@a,,b/d",
    ],
    "REDIS_URL": ["http://localhost", "redis://", "unix://", "redis://h/x", "redis://h:99999/0", "redis://a b/0"],
    "RABBITMQ_URL": ["http://h", "amqp://", "amqp://h/a/b", "amqp://h?heartbeat=0", "amqp://h:x/", "amqp://a;amqp://b"],
    "S3_ENDPOINT": ["objects:8333", "ftp://x", "http://", "http://u:p@x", "http://x?a=1"],
    "S3_BUCKET": ["UPPER", "a", "with space"],
    "CORS_ORIGINS": ["*", "https://a.example/path", "a.example", "https://u@a.example"],
    "HOST": ["a b", "-x", "http://x", "x/y"],
    "TWILIO_PHONE_NUMBER": ["5555550100", "+0555555010", "+1 555 555 0100", "+1", "+1555555010012345"],
    "TWILIO_ACCOUNT_SID": ["AC1", "SK" + "0" * 32],
    "EMAIL_FROM": [
        "nobody",
        "a@b",
        "Singr <a@b>",
        "a@b.example, c@d.example",
        "Singr\r\nBcc: x <a@b.example>",
        "a@b.example\nBcc: c@d.example",
        "a..b@c.example",
    ],
    "MAILJET_FROM_NAME": ["x" * 101, "a\x00b"],
    "WORKER_RATES": ["email", "email=0/60", "email=1/60,email=2/60", "email=1/0", "=1/1", "email=1"],
    "PROVIDER_RATES": ["twilio", "twilio=0/1", "twilio=1/1,twilio=2/1", "pigeon=1/1"],
    "WORKER_PLACES": [
        "billing",
        "billing=4",
        "billing=0/1",
        "billing=1001/1",
        "billing=1/0",
        "Billing=1/1",
        "b=1/1,b=2/1",
    ],
    "MESSAGES_BY_CATEGORY": ["a=1/13", "a=31/30", "a=0/30", "a=1/3651", "a-b=1/30", "a=1/30,a=1/30", "a=30", "a"],
    "TRUSTED_PROXIES": ["everyone", "10.0.0.0/33"],
    "SENTRY_DSN": ["https://o1.ingest.sentry.io/42", "key"],
    "AUTH_SECRET": ["short", "x" * 20 + "," + "y" * 20],
    "AUTH_SECRET_PREVIOUS": ["short", f"{'x' * 32},short"],
    "X_API_KEY": ["short"],
    "SIGNING_SECRET": ["x" * 31],
    "TWO_FACTOR_ISSUER": ["a:b"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_a_good_value_is_taken(name: str, text: str):
    settings_for_tests(**{name: text})


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_bad_value_is_a_problem_that_says_what_would_be_right(name: str, text: str):
    with pytest.raises(ConfigurationError) as caught:
        settings_for_tests(**{name: text})
    problem = next(problem for problem in caught.value.problems if problem.variable == name)
    assert problem.message.startswith(("must ", "is "))


@given(st.text(min_size=1, max_size=60).map(lambda text: text.strip()).filter(bool))
def test_no_text_whatever_raises_anything_but_a_problem(text: str):
    environ = {item.variable.name: text for item in all_variables() if item.variable.name != "APP_ENV"}
    try:
        load_settings({"APP_ENV": "test", **environ}, env_file=None)
    except ConfigurationError as error:
        assert error.problems  # noqa: PT017 - whether it raises is not the property here


@pytest.mark.parametrize("env", ["test", "production"])
@pytest.mark.parametrize("ending", ["", "\x00", "\n-----BEGIN", ",", " x"])
def test_no_message_holds_a_secrets_value(env: str, ending: str):
    secrets = [item.variable.name for item in all_variables() if item.variable.kind.secret]
    assert len(secrets) >= 10
    canary = "canary@5f3a://x" + ending
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"APP_ENV": env, **dict.fromkeys(secrets, canary)}, env_file=None)
    assert {problem.variable for problem in caught.value.problems} >= {"DATABASE_URL", "AUTH_SECRET", "REDIS_URL"}
    assert "5f3a" not in str(caught.value)
    assert "5f3a" not in repr(caught.value)


def test_passwords_in_addresses_are_not_shown():
    for name in ("S3_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "APP_URL_WEB", "CORS_ORIGINS"):
        with pytest.raises(ConfigurationError) as caught:
            settings_for_tests(**{name: "https://user:hunter2@host.example"})
        assert "hunter2" not in str(caught.value)


def test_a_slash_at_the_end_of_an_address_is_dropped():
    assert settings_for_tests(APP_URL_WEB="https://x.example/app/").app.url_web == "https://x.example/app"


def test_variables_that_only_work_together_are_asked_for_together():
    for given_one, missing in (
        ({"SMTP_PASSWORD": "x"}, {"SMTP_USER"}),
        ({"METRICS_HOST": "0.0.0.0"}, {"METRICS_PORT"}),
        ({"METRICS_PORT": "3000"}, {"METRICS_PORT"}),
        ({"JWT_REFRESH_TTL": "900"}, {"JWT_REFRESH_TTL"}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            settings_for_tests(**given_one)
        assert {problem.variable for problem in caught.value.problems} == missing


@pytest.mark.parametrize(
    ("chosen", "missing"),
    [
        ({"EMAIL_PROVIDER": "mailjet"}, {"MAILJET_API_KEY", "MAILJET_SECRET_KEY"}),
        ({"SMS_PROVIDER": "twilio"}, {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"}),
        (
            {"SMS_PROVIDER": "twilio", "TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32},
            {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"},
        ),
        ({"SMS_PROVIDER": "salum"}, {"SALUM_API_KEY", "SALUM_PARTNER_ID", "SALUM_SHORTCODE"}),
        ({"EMAIL_PROVIDER": "resend"}, {"RESEND_API_KEY"}),
        ({"EMAIL_FALLBACK_PROVIDER": "resend"}, {"RESEND_API_KEY"}),
        ({"SMS_FALLBACK_PROVIDER": "salum"}, {"SALUM_API_KEY", "SALUM_PARTNER_ID", "SALUM_SHORTCODE"}),
        ({"EMAIL_PROVIDER": "smtp", "EMAIL_FALLBACK_PROVIDER": "mailpit"}, {"EMAIL_FALLBACK_PROVIDER"}),
        ({"PUSH_PROVIDER": "fcm"}, {"FIREBASE_PROJECT_ID", "FIREBASE_CLIENT_EMAIL", "FIREBASE_PRIVATE_KEY"}),
    ],
)
def test_a_chosen_provider_asks_for_its_credentials_everywhere(chosen: dict[str, str], missing: set[str]):
    with pytest.raises(ConfigurationError) as caught:
        settings_for_tests(**chosen)
    assert {problem.variable for problem in caught.value.problems} == missing


def test_sending_switched_off_asks_for_no_credentials():
    settings = settings_for_tests(
        EMAIL_PROVIDER="mailjet", ENABLE_EMAIL_SENDING="false", SMS_PROVIDER="twilio", ENABLE_SMS_SENDING="false"
    )
    assert not settings.email.enabled
    assert not settings.sms.enabled


def test_limits_are_set_as_number_and_seconds_relaxed_together_and_wider_by_address():
    limits = load_settings(
        {"RATE_LIMIT_SIGN_IN": "7/90", "RATE_LIMIT_RELAXATION": "100", "RATE_LIMIT_ADDRESS_FACTOR": "3"}, env_file=None
    ).limits
    assert limits.rates.sign_in == RateLimit(700, 90)
    assert limits.rates.register == RateLimit(300, 3600)
    assert limits.of_address(limits.rates.sign_in) == RateLimit(2100, 90)


def test_every_limit_is_the_products_own_and_ten_times_as_much_by_address_unless_told_otherwise():
    limits = LimitSettings()
    assert limits.rates == RATE_LIMITS
    assert limits.of_address(RATE_LIMITS.register) == RateLimit(30, 3600)


@pytest.mark.parametrize("value", ["5", "5/0", "0/60", "5 / 60", "5/60/1", "-5/60", "many"])
def test_limit_of_another_form_is_refused_with_the_right_one(value: str):
    with pytest.raises(ConfigurationError, match="such as 5/60"):
        load_settings({"RATE_LIMIT_SIGN_IN": value}, env_file=None)
