"""What the command line refuses, before anything starts."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sites import Site

from singr_worker._cli import main

HERE = Path(__file__).parent
# As the first process of a supervisor is started: it looks before it begins.
FIRST = ("serve", "--name", "one", "--pipe", "0", "--metrics-dir", ".", "--check")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but defaults, and no .env."""
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "WORKER_RATES",
        "WORKER_PLACES",
        "EMAIL_PROVIDER",
        "SMS_PROVIDER",
        "NODE_ENV",
    ):
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
        (["run", "--queues", ","], "needs queue names separated by commas"),
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
    assert "WORKER_RATES: there is no queue fax" in refusal(capsys, *FIRST)


def test_queue_that_the_jobs_do_not_declare_is_refused_with_those_that_are_there(capsys) -> None:
    said = refusal(capsys, *FIRST, "--jobs", "worker_jobs:jobs", "--queues", "email,naps")
    assert "--queues: there is no queue 'naps': declare it first, with Queue.declare; there are email, sms" in said


def test_provider_that_is_not_there_is_refused(capsys, monkeypatch) -> None:
    monkeypatch.setenv("SMS_PROVIDER", "vonage")
    assert "SMS_PROVIDER must be one of twilio, salum, console" in refusal(capsys, "run").replace(":", "")


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
    assert f"--jobs {path}: {words}" in refusal(capsys, *FIRST, "--jobs", path)


def test_error_inside_a_jobs_module_keeps_its_traceback_and_stops_the_start(site: Site, tmp_path: Path) -> None:
    site.copied = False  # how a supervisor starts its first process is the matter
    (tmp_path / "failing_jobs.py").write_text("raise ValueError('from inside')\n")
    with site.run(
        "singr_worker", "run", "--processes", "3", "--jobs", "failing_jobs:jobs", environ={"PYTHONPATH": str(tmp_path)}
    ) as worker:
        assert worker.popen.wait(30) == 2
    assert "failing_jobs.py" in worker.last_words
    assert worker.last_words.count("ValueError: from inside") == 1, "each process would say the same"
    assert "starting another" not in worker.last_words


def test_jobs_that_are_not_there_stop_the_start_with_one_message_before_anything_is_served(site: Site) -> None:
    with site.run("singr_worker", "run", "--jobs", "no_such_module:jobs") as worker:
        assert worker.popen.wait(30) == 2
    assert worker.last_words.strip().startswith("--jobs no_such_module:jobs: there is no module no_such_module (from ")
    assert len(worker.last_words.strip().splitlines()) == 1, worker.last_words


def test_supervisor_loads_no_library_that_does_the_work() -> None:
    heavy = ("singr_db", "singr_comms", "sqlalchemy", "psycopg", "redis", "dramatiq", "alembic", "httpx")
    look = f"import sys, singr_worker._cli; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_address_that_is_taken_stops_the_start_before_any_process(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with site.run("singr_worker", "run", environ={"WORKER_PORT": port}) as worker:
            assert worker.popen.wait(30) == 2
    assert worker.last_words.strip() == (
        f"cannot listen on 127.0.0.1:{port} (WORKER_HOST, WORKER_PORT): Address already in use"
    )
