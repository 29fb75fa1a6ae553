"""Variables of others that end a process at its start are found before, and named."""

from pathlib import Path

import httpx
import pytest

from singr_config import ConfigurationError, load_settings

PROXY = {"HTTPS_PROXY": "http://proxy.example.org:3128"}
UNUSABLE = {
    "socks5h": ({"ALL_PROXY": "socks5h://h:1"}, "ALL_PROXY", "install httpx[socks]"),
    "socks4": ({"HTTPS_PROXY": "socks4://h:1"}, "HTTPS_PROXY", "socks4:// is not supported"),
    "ftp": ({"http_proxy": "ftp://h:1"}, "http_proxy", "such as http://proxy.example.org:3128"),
    "port that is none": ({"HTTPS_PROXY": "http://h:abc"}, "HTTPS_PROXY", "such as http"),
    "port out of range": ({"HTTPS_PROXY": "http://h:99999"}, "HTTPS_PROXY", "such as http"),
    "half an address": ({"HTTPS_PROXY": "http://[::1"}, "HTTPS_PROXY", "such as http"),
    "no host": ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY", "such as http"),
    "range of IPv6": ({"NO_PROXY": "localhost,::1/128"}, "NO_PROXY", "::1 instead of ::1/128"),
    "address with a port": ({"no_proxy": "[::1]:80"}, "no_proxy", "host names and addresses"),
    "control character": ({"NO_PROXY": "exa\tmple.org"}, "NO_PROXY", "host names and addresses"),
    "letters beyond ASCII": ({"NO_PROXY": "é.example"}, "NO_PROXY", "host names and addresses"),
    "no certificates": ({"SSL_CERT_FILE": "/no/such/file"}, "SSL_CERT_FILE", "no such file"),
    "certificates that are none": ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE", "no certificate"),
    "folder for a file": ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE", "PEM"),
    "no folder of certificates": ({"SSL_CERT_DIR": "/no/such"}, "SSL_CERT_DIR", "folder"),
    "key log": ({"SSLKEYLOGFILE": "/no/such/file"}, "SSLKEYLOGFILE", "written"),
}
USABLE = {
    "proxy": PROXY,
    "proxy without a scheme": {"HTTPS_PROXY": "proxy.example.org:3128"},
    "proxy with a password": {"ALL_PROXY": "http://me:w%40rd@proxy.example.org"},
    "taken away by small letters": {"HTTPS_PROXY": "socks4://h:1", "https_proxy": ""},
    "exempt": {**PROXY, "NO_PROXY": "localhost, 127.0.0.1,10.0.0.0/8,::1,.example.org,*.svc,http://h:80,*"},
    "empty": {"NO_PROXY": "", "SSL_CERT_FILE": "", "SSLKEYLOGFILE": "", "ALL_PROXY": " "},
}


@pytest.mark.parametrize(("given", "variable", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_variable_that_would_end_the_process_is_named(given: dict[str, str], variable: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(given, env_file=None)
    [problem] = caught.value.problems
    assert problem.variable == variable
    assert said in problem.message


@pytest.mark.parametrize("given", USABLE.values(), ids=USABLE)
def test_variable_that_works_is_let_be(given: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_settings({**given, "SSLKEYLOGFILE": str(tmp_path / "keys.log")}, env_file=None)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    httpx.AsyncClient()  # which is what reads them


def test_password_of_a_proxy_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"HTTPS_PROXY": "ftp://me:canary@h:1"}, env_file=None)
    assert "canary" not in str(caught.value)
