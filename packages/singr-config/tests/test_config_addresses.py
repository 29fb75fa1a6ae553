"""Addresses with a password: what readers of such an address understand differently is refused, and never shown."""

import pytest

from singr_config import ConfigurationError
from singr_config.testing import settings_for_tests

PLACES = {
    "DATABASE_URL": "postgresql://singr:{}@localhost:5432/singr",
    "REDIS_URL": "redis://:{}@localhost:6379/0",
    "RABBITMQ_URL": "amqp://singr:{}@localhost:5672/singr",
    "SENTRY_DSN": "https://key:{}@o1.ingest.sentry.io/42",
}
PASSWORDS = (
    "canary@ss/w#rd",
    "canary@99",
    "p@canary#x",
    "canary/1",
    "1/canary",
    "1?canary",
    "1#canary",
    "can[ary",
    "c]ry",
)
ESCAPED = "must have what its user or password holds of @ / # ? : [ ] % percent-encoded"


def problem(name: str, value: str, **others: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        settings_for_tests(**{name: value}, **others)
    assert "canary" not in str(raised.value)
    [found] = [one for one in raised.value.problems if one.variable == name]
    return str(found)


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("name", PLACES)
def test_no_part_of_a_password_is_taken_for_a_host(name: str, password: str) -> None:
    assert ESCAPED in problem(name, PLACES[name].format(password))


@pytest.mark.parametrize("name", PLACES)
def test_a_password_that_is_percent_encoded_is_taken(name: str) -> None:
    settings_for_tests(**{name: PLACES[name].format("%40%2F%23%3F%3A%5B%5D%25")})


def test_a_percent_sign_that_libpq_refuses_is_refused_here() -> None:
    assert ESCAPED in problem("DATABASE_URL", PLACES["DATABASE_URL"].format("canary%zz"))


@pytest.mark.parametrize("name", ["REDIS_URL", "RABBITMQ_URL", "SENTRY_DSN"])
def test_several_hosts_are_refused_where_one_is_expected(name: str) -> None:
    said = problem(name, PLACES[name].format("canary").replace("@", "@first:1,"))
    assert "must name one host" in said


STORE = {"S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "pw-canary-1", "S3_BUCKET": "singr"}


@pytest.mark.parametrize(
    "endpoint",
    ["https://objects.example/singr", "https://objects.example/s3/singr/", "https://singr.s3.eu-west-1.amazonaws.com"],
)
def test_address_of_the_object_store_has_no_bucket_in_it(endpoint: str) -> None:
    assert "must be the store's address without the bucket" in problem("S3_ENDPOINT", endpoint, **STORE)


@pytest.mark.parametrize("endpoint", ["https://objects.example/storage/v1/s3", "https://singr.objects.example"])
def test_address_of_the_object_store_may_have_a_path(endpoint: str) -> None:
    settings_for_tests(S3_ENDPOINT=endpoint, **STORE)


def test_key_id_that_is_too_short_is_told_so() -> None:
    assert "3 to 200 characters" in problem("S3_ACCESS_KEY_ID", "op")


BEHIND = "what stands behind its host (the path, options behind ?)"


@pytest.mark.parametrize("behind", ["singr?application_name=canary@b", "canary#x", "canary%x", "db?options=canary#"])
def test_what_stands_behind_the_host_is_not_blamed_on_user_or_password_alone(behind: str) -> None:
    said = problem("DATABASE_URL", f"postgresql://singr:pw@localhost:5432/{behind}")
    assert BEHIND in said
    assert (ESCAPED in said) is ("@" in behind), "an @ may as well stand behind a password that is not encoded"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("https://App.Example.com:443/", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://app.example.com:", "https://app.example.com"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("http://app.example.com:0443", "http://app.example.com:443"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_origins_have_the_form_that_browsers_send(given: str, written: str) -> None:
    app = settings_for_tests(CORS_ORIGINS=given, MESSAGE_LINK_ORIGINS=f"{given},{written}").app
    assert (app.cors_origins, app.message_link_origins) == ((written,), (written,))


def test_origins_of_passkeys_have_the_form_that_browsers_send() -> None:
    given, own = "https://app.example.com:443", ("https://app.example.com",)
    for named in ({"WEBAUTHN_ORIGINS": given}, {}):
        settings = settings_for_tests(APP_URL_WEB=given, APP_URL_CUSTOMER=own[0], **named)
        assert (settings.auth.webauthn_rp_id, settings.auth.webauthn_origins) == ("app.example.com", own)
