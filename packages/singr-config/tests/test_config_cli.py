"""The command singr-config."""

import subprocess
import sys
from pathlib import Path

import pytest

import singr_comms
from singr_config import all_variables
from singr_config._cli import main
from singr_config._generate import BEGIN, END


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*(item.variable.name for item in all_variables()), "NODE_ENV"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_check_says_ok_and_masks_secrets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REDIS_URL", "redis://:canary@localhost:6379/0")
    monkeypatch.setenv("PORT", "4711")
    monkeypatch.setenv("WORKER_RATES", "email=100/60, sms=10/1")
    assert main(["check"]) == 0
    shown = capsys.readouterr().out
    assert "PORT = 4711" in shown
    assert "WORKER_RATES = email=100/60,sms=10/1" in shown
    assert "REDIS_URL = ***" in shown
    assert "ok: the configuration is complete for development" in shown
    assert "canary" not in shown


def test_check_says_what_the_installed_packages_cannot_build(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(singr_comms.providers._factory, "build_provider", _cannot_be_built)
    assert main(["check"]) == 1
    shown = capsys.readouterr()
    assert "EMAIL_PROVIDER: no such provider" in shown.err
    assert "ok:" not in shown.out


def _cannot_be_built(*_: object, **__: object) -> None:
    raise singr_comms.UnknownProviderError("no such provider")


@pytest.mark.parametrize(("name", "value"), [("EMAIL_PROVIDER", "sendgrid"), ("SMS_PROVIDER", "vonage")])
def test_check_refuses_a_provider_that_does_not_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    assert main(["check"]) == 1
    assert f"{name}: must be one of" in capsys.readouterr().err


def test_check_names_all_problems_and_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("PORT", "x")
    assert main(["check"]) == 1
    shown = capsys.readouterr().err
    assert "PORT:" in shown
    assert "AUTH_SECRET:" in shown


def test_check_points_at_a_misspelt_variable_of_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / ".env").write_text("MAILJET_APIKEY=canary\nMY_OWN=1\nPORT=1234\n")
    assert main(["check"]) == 0
    shown = capsys.readouterr()
    assert "MAILJET_API_KEY" in shown.err
    assert "MY_OWN" not in shown.err
    assert "canary" not in shown.err + shown.out


def test_docs_writes_and_checks_the_table_between_its_markers(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n{BEGIN}\nstale-row\n{END}\nend\n")
    assert main(["docs", "--check", str(page)]) == 1
    assert main(["docs", "--write", str(page)]) == 0
    assert main(["docs", "--check", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("\nend\n")
    assert "stale-row" not in text
    (tmp_path / "none.md").write_text("nothing\n")
    assert main(["docs", "--check", str(tmp_path / "none.md")]) == 1
    assert "needs the two lines" in capsys.readouterr().err


def test_env_prints_and_writes_the_example(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["env"]) == 0
    assert "#PORT=3000" in capsys.readouterr().out
    assert main(["env", "--check", str(tmp_path / ".env.example")]) == 1
    assert main(["env", "--write", str(tmp_path / ".env.example")]) == 0
    assert main(["env", "--check", str(tmp_path / ".env.example")]) == 0


def test_printing_and_writing_give_the_same_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    main(["env"])
    main(["env", "--write", str(tmp_path / "file")])
    assert capsys.readouterr().out == (tmp_path / "file").read_text()


def test_the_command_is_installed():
    command = f"{sys.prefix}/bin/singr-config"
    done = subprocess.run(
        [command, "check"], capture_output=True, text=True, check=False, env={"APP_ENV": "production"}
    )
    assert done.returncode == 1
    assert "The configuration has" in done.stderr
    assert "Traceback" not in done.stderr
