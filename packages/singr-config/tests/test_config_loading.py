"""Reading the environment and the .env file."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from singr_config import (
    AppEnv,
    ConfigurationError,
    Settings,
    SmsProviderName,
    SmsSettings,
    all_variables,
    load_section,
    load_settings,
)
from singr_config.testing import settings_for_tests


def problems_of(environ: Mapping[str, str], env_file: Path | None = None) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ, env_file=env_file)
    return {problem.variable: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("env", ["development", "test"])
def test_an_empty_environment_is_enough_outside_production(env: str):
    settings = load_settings({"APP_ENV": env}, env_file=None)
    assert settings.app.env == env
    assert settings.database.url.reveal() == "postgresql://singr@localhost:5432/singr"
    assert settings.redis.url.reveal() == "redis://localhost:6379/0"
    assert settings.email.provider == settings.sms.provider == "console"
    assert settings.observability.environment == env
    assert settings.observability.traces_sample_rate == 1.0
    assert settings.email.mailjet.sandbox
    assert len(settings.auth.secret.reveal()) >= 32
    assert len(settings.app.cors_origins) == 3


def test_the_defaults_are_those_that_the_product_promises():
    settings = load_settings({}, env_file=None)
    assert (settings.app.port, settings.app.host, settings.app.log_level) == (3000, "127.0.0.1", "info")
    assert (settings.jwt.access_ttl, settings.jwt.refresh_ttl) == (900, 604_800)
    assert settings.jwt.issuer == settings.jwt.audience == "system.singrkaraoke.com"
    assert (settings.auth.magic_link_ttl, settings.auth.two_factor_issuer) == (900, "Singr")
    worker = settings.worker
    assert (worker.email.concurrency, worker.sms.concurrency, worker.push.concurrency) == (5, 3, 5)
    assert (worker.email.timeout, worker.sms.timeout, worker.push.timeout) == (120, 30, 30)
    assert (worker.host, worker.port) == ("127.0.0.1", 3100)
    limits = settings.limits
    assert (limits.email_per_hour, limits.sms_per_hour, limits.requests_per_minute) == (10, 5, 600)
    assert not settings.ingestion.api_key
    assert not settings.ingestion.signing_secret
    assert settings.app.metrics_port is None


def test_sections_do_not_change():
    settings = settings_for_tests()
    with pytest.raises(AttributeError):
        settings.app.port = 1
    with pytest.raises(AttributeError):
        settings.app = None


def test_all_problems_are_told_at_once_by_variable():
    problems = problems_of(
        {
            "PORT": "http",
            "LOG_LEVEL": "loud",
            "DATABASE_URL": "mysql://db/x",
            "EMAIL_FROM": "nobody",
            "SMS_PROVIDER": "x",
        }
    )
    assert set(problems) == {"PORT", "LOG_LEVEL", "DATABASE_URL", "EMAIL_FROM", "SMS_PROVIDER"}


def test_the_error_reads_as_one_problem_a_line():
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"PORT": "x", "HOST": "a b"}, env_file=None)
    lines = str(caught.value).splitlines()
    assert lines[0] == "The configuration has 2 problems:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["HOST", "PORT"]


def test_an_empty_variable_counts_as_not_set_and_white_space_is_dropped():
    settings = load_settings({"PORT": "", "LOG_LEVEL": "  debug \n"}, env_file=None)
    assert settings.app.port == 3000
    assert settings.app.log_level == "debug"


def test_node_env_decides_only_where_app_env_is_not_set():
    assert load_settings({"NODE_ENV": "test"}, env_file=None).app.env is AppEnv.TEST
    assert load_settings({"NODE_ENV": "test", "APP_ENV": ""}, env_file=None).app.env is AppEnv.TEST
    assert load_settings({"NODE_ENV": "production", "APP_ENV": "test"}, env_file=None).app.env is AppEnv.TEST
    assert "NODE_ENV" in problems_of({"NODE_ENV": "staging"})
    assert "APP_ENV" in problems_of({"NODE_ENV": "test", "APP_ENV": "staging"})


def test_the_env_file_fills_what_the_environment_leaves_open(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text('PORT=4000\nLOG_LEVEL=debug\nTWO_FACTOR_ISSUER="Singr here"\nexport APP_ENV=test\n# HOST=x\n')
    settings = load_settings({"PORT": "5000"}, env_file=file)
    assert settings.app.port == 5000
    assert settings.app.log_level == "debug"
    assert settings.app.env is AppEnv.TEST
    assert settings.auth.two_factor_issuer == "Singr here"
    assert os.environ.get("TWO_FACTOR_ISSUER") is None


def test_the_env_file_is_not_interpolated(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("REDIS_URL=redis://:pa$HOME${x}@localhost:6379/0\n")
    assert load_settings({}, env_file=file).redis.url.reveal() == "redis://:pa$HOME${x}@localhost:6379/0"


def test_a_missing_env_file_is_no_problem_and_a_damaged_one_is(tmp_path: Path):
    load_settings({}, env_file=tmp_path / "none")
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe\n")
    assert list(problems_of({}, tmp_path / ".env")) == [str(tmp_path / ".env")]


@pytest.mark.parametrize("name", ["APP_ENV", "NODE_ENV"])
def test_the_env_file_is_not_read_in_production(tmp_path: Path, production: dict[str, str], name: str):
    file = tmp_path / ".env"
    file.write_text("PORT=4000\n")
    del production["APP_ENV"]
    assert load_settings({**production, name: "production"}, env_file=file).app.port == 3000


def test_production_is_not_switched_on_by_an_env_file(tmp_path: Path, production: dict[str, str]):
    file = tmp_path / ".env"
    file.write_text("APP_ENV=production\n")
    del production["APP_ENV"]
    assert "APP_ENV" in problems_of(production, file)


def test_the_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("PORT", "4711")
    (tmp_path / ".env").write_text("PORT=1\nTWO_FACTOR_WINDOW=2\n")
    settings = load_settings()
    assert settings.app.port == 4711
    assert settings.auth.two_factor_window == 2


def test_a_section_alone_needs_only_its_own_variables():
    section = load_section(
        SmsSettings,
        {
            "APP_ENV": "production",
            "SMS_PROVIDER": "twilio",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "token",
            "TWILIO_PHONE_NUMBER": "+15555550100",
        },
        env_file=None,
    )
    assert section.provider is SmsProviderName.TWILIO
    with pytest.raises(ConfigurationError, match="TWILIO_AUTH_TOKEN"):
        load_section(SmsSettings, {"SMS_PROVIDER": "twilio"}, env_file=None)


def test_each_variable_is_declared_once():
    names = [item.variable.name for item in all_variables()]
    assert len(names) == len(set(names))
    assert len({item.path for item in all_variables()}) == len(names)


def test_every_value_has_the_type_that_its_field_declares(production: dict[str, str]):
    for settings in (settings_for_tests(), load_settings(production, env_file=None)):
        check_types(settings)


def check_types(section: msgspec.Struct) -> None:
    for field in msgspec.structs.fields(type(section)):
        value = getattr(section, field.name)
        if isinstance(value, msgspec.Struct):
            check_types(value)
        else:
            msgspec.convert(value, field.type, strict=True)


def test_a_full_environment_reaches_every_section():
    settings = settings_for_tests(
        HOST="0.0.0.0",
        METRICS_PORT="9100",
        TRUSTED_PROXIES="10.0.0.0/8, ::1",
        AUTH_SECRET_PREVIOUS=f"{'a' * 32}, {'b' * 32}",
        X_API_KEY="k" * 32,
        SIGNING_SECRET="s" * 32,
        EMAIL_PROVIDER="mailpit",
        MAILJET_TEMPLATE_WELCOME="4711",
        WORKER_PROCESSES="2",
        WORKER_RATES="email=100/60",
    )
    assert isinstance(settings, Settings)
    assert settings.app.metrics_host == "127.0.0.1"
    assert settings.app.trusted_proxies == ("10.0.0.0/8", "::1")
    assert [secret.reveal()[0] for secret in settings.auth.previous_secrets] == ["a", "b"]
    assert settings.email.provider == "smtp"
    assert settings.email.mailjet.templates.welcome == 4711
    assert settings.worker.processes == 2
    assert settings.worker.rates == (("email", 100, 60),)
    assert settings.ingestion.signing_secret.reveal() == "s" * 32
