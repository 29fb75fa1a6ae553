"""How long `singr` waits: no longer than it is told, whatever the other side does; and how it says that it ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server


@pytest.fixture
def asking(mute: socket.socket, bare: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `singr` against it; over https, `asking("jobs", "list", scheme="https")`."""
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_secret")

    def ask(*arguments: str, scheme: str = "http") -> Any:
        monkeypatch.setenv("SINGR_URL", f"{scheme}://127.0.0.1:{mute.getsockname()[1]}")
        return bare(*arguments)

    return ask


def test_what_does_not_answer_is_waited_for_as_long_as_told(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_cli._http._SHORTEST", 0.05)
    tries: list[float] = []
    monkeypatch.setattr("singr_cli._http.time.sleep", tries.append)
    outcome = asking("jobs", "wait", "j1", "--within", "0.2")
    assert (outcome.code, outcome.out, "not in time" in outcome.err) == (5, "", True)
    assert tries == [], "the time was over with the first try"


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "1e300"])
@pytest.mark.parametrize("option", ["--within", "--timeout"])
def test_seconds_that_nobody_can_wait_are_refused(asking: Any, option: str, seconds: str) -> None:
    outcome = asking("jobs", "wait", "j1", option, seconds)
    assert (outcome.code, outcome.err.startswith(f"{option}: must be ")) == (2, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/none.pem"), ("SSL_CERT_FILE", __file__), ("HTTPS_PROXY", "gopher://127.0.0.1:1")],
)
def test_certificates_and_proxies_that_cannot_be_used_are_wrong_usage(
    environ: dict[str, str], name: str, value: str
) -> None:
    environ |= {"SINGR_URL": "https://api.example.invalid", name: value}
    ended = subprocess.run(
        [sys.executable, "-m", "singr_cli", "jobs", "list"], env=environ, text=True, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr.startswith("What the environment says of certificates")) == (2, True)


def test_who_does_not_speak_tls_is_unavailable(bare: Any, api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_secret")
    monkeypatch.setenv("SINGR_URL", api_url.replace("http:", "https:"))
    outcome = bare("jobs", "list")
    assert (outcome.code, "cannot be reached: [SSL" in outcome.err) == (5, True)


def test_an_interrupt_names_the_key_of_what_has_no_answer_yet(mute: socket.socket, environ: dict[str, str]) -> None:
    environ |= {"SINGR_URL": f"http://127.0.0.1:{mute.getsockname()[1]}"}
    command = ("jobs", "cancel", "j1", "--idempotency-key", "mine")
    with subprocess.Popen(
        [sys.executable, "-m", "singr_cli", *command], env=environ, text=True, stderr=subprocess.PIPE
    ) as asks:
        connection, _ = mute.accept()
        assert b"idempotency-key: mine" in connection.recv(65_536).lower()
        asks.send_signal(signal.SIGINT)
        _, said = asks.communicate(timeout=60)
        connection.close()
    assert (asks.returncode, said.strip().endswith("--idempotency-key mine")) == (130, True)
