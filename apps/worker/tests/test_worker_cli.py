"""What the command line refuses, before anything starts."""

import socket
from pathlib import Path

import pytest
from sites import Site

from singr_worker._cli import main

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but defaults, and no .env."""
    for name in ("DATABASE_URL", "REDIS_URL", "WORKER_RATES", "EMAIL_PROVIDER", "SMS_PROVIDER", "NODE_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(HERE))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--queues", "email,fax"], "no queue fax; there are email, sms, push, two-factor"),
        (["run", "--queues", ","], "no queue named"),
        (["run", "--lease", "1"], "needs 3 to 3600 seconds, not '1'"),
        (["run", "--lease", "soon"], "needs 3 to 3600 seconds, not 'soon'"),
        (["run", "--lease", "nan"], "needs 3 to 3600 seconds, not 'nan'"),
        (["run", "--processes", "0"], "needs a whole number from 1, not '0'"),
        (["run", "--processes", "two"], "needs a whole number from 1, not 'two'"),
        (["walk"], "invalid choice: 'walk'"),
        ([], "the following arguments are required"),
    ],
)
def test_wrong_option_is_named_with_what_would_be_right(capsys, arguments, words) -> None:
    assert words in refusal(capsys, *arguments)


def test_bad_configuration_is_told_in_full_and_without_its_secrets(capsys, monkeypatch) -> None:
    monkeypatch.setenv("WORKER_PORT", "ninety")
    monkeypatch.setenv("EMAIL_WORKER_TIMEOUT", "0")
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2-canary@db/singr")
    said = refusal(capsys, "run")
    assert all(name in said for name in ("WORKER_PORT", "EMAIL_WORKER_TIMEOUT", "DATABASE_URL"))
    assert "hunter2-canary" not in said


def test_rate_of_an_unknown_queue_is_refused(capsys, monkeypatch) -> None:
    monkeypatch.setenv("WORKER_RATES", "fax=1/1")
    assert "WORKER_RATES: there is no queue fax" in refusal(capsys, "run")


def test_provider_that_is_not_there_is_refused(capsys, monkeypatch) -> None:
    monkeypatch.setenv("SMS_PROVIDER", "salum")
    assert "SMS_PROVIDER must be one of twilio, console" in refusal(capsys, "run").replace(":", "")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module:jobs", "there is no module no_such_module"),
        ("worker_jobs.deeper:jobs", "there is no module worker_jobs.deeper"),
        ("worker_jobs:nothing", "module worker_jobs has no nothing"),
        ("worker_jobs:not_jobs", "is a int, not a singr_jobs.Jobs"),
        ("worker_jobs", "needs module:attribute"),
        (":jobs", "needs module:attribute"),
        ("broken_jobs:jobs", "importing broken_jobs needs a module no_such_dependency"),
    ],
)
def test_jobs_that_are_not_there_are_refused_by_name(capsys, tmp_path, path, words) -> None:
    (tmp_path / "broken_jobs.py").write_text("import no_such_dependency\n")
    assert f"--jobs {path}: {words}" in refusal(capsys, "run", "--jobs", path)


def test_error_inside_a_jobs_module_keeps_its_traceback(tmp_path) -> None:
    (tmp_path / "failing_jobs.py").write_text("raise ValueError('from inside')\n")
    with pytest.raises(ValueError, match="from inside"):
        main(["run", "--jobs", "failing_jobs:jobs"])


def test_address_that_is_taken_stops_the_start_before_any_process(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with site.run("singr_worker", "run", environ={"WORKER_PORT": port}) as worker:
            assert worker.popen.wait(30) == 2
    assert worker.last_words.strip() == (
        f"cannot listen on 127.0.0.1:{port} (WORKER_HOST, WORKER_PORT): Address already in use"
    )
