"""What is refused is not repeated where it may hold a password: addresses get into the wrong variables."""

import pytest

from singr_config import ConfigurationError, all_variables, load_settings

PLACES = sorted({item.variable.name for item in all_variables()})
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
ADDRESSES = (
    "smtp://mailer:S3cr3tPw@mail.example.com",
    "mailer:S3cr3tPw@mail.example.com:587",
    "a,mailer:S3cr3tPw,x@mail.example.com",
    "nonsense://S3cr3tPw",
    "nonsense://mailer:S3cr3tPw@mail.example.com:port/ x?#",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("env", ["development", "production"])
def test_no_setting_repeats_an_address_with_a_password_that_it_refuses(address: str, env: str) -> None:
    refused = 0
    for name in (*PLACES, *PROXIES):
        if name == "APP_ENV":
            continue
        try:
            load_settings({"APP_ENV": env, name: address}, env_file=None)
        except ConfigurationError as error:
            refused += any(problem.variable == name for problem in error.problems)
            assert "S3cr3t" not in str(error), name  # noqa: PT017 — one of many
            assert "S3cr3t" not in repr(error), name  # noqa: PT017 — as above
    assert refused > len(PLACES) / 2


def test_environment_does_not_either() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings({"APP_ENV": ADDRESSES[0]}, env_file=None)
    assert "S3cr3t" not in str(raised.value)


def test_what_holds_no_password_is_still_repeated() -> None:
    with pytest.raises(ConfigurationError, match="not 'my host'"):
        load_settings({"SMTP_HOST": "my host"}, env_file=None)
