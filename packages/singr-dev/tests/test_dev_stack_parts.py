"""The parts of `singr-dev up` that stand alone: state, secrets, ports."""

import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from singr_config import load_settings
from singr_dev import DevError
from singr_dev._cli import _program as program_named
from singr_dev._cli import main
from singr_dev.stack import Runtime, StateDirectory
from singr_dev.stack import _children as children
from singr_dev.stack import _environment as environment
from singr_dev.stack import _ports as ports
from singr_dev.stack import _up as up
from singr_dev.stack._parts import is_current
from singr_dev.stack._secrets import development_secrets
from singr_dev.testing import SharedServers


def runtime(**changes: object) -> Runtime:
    fields = dict.fromkeys(Runtime.__struct_fields__, "x") | {"pid": 1, "children": {}, "environ": {}}
    fields |= {"mail_in_inbox": True, "sms_in_simulator": True, "push_in_simulator": True}
    return Runtime(**{**fields, **changes})  # type: ignore[arg-type] # values by name


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path):
    path = tmp_path / "dev.env"
    first = development_secrets(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert development_secrets(path) == first
    assert development_secrets(tmp_path / "other.env")["AUTH_SECRET"] != first["AUTH_SECRET"]


@pytest.mark.parametrize("name", ["/bin/sh", sys.executable, "sh", Path(sys.executable).name])
def test_program_to_run_is_named_by_path_or_by_name(name: str):
    assert os.access(program_named(name), os.X_OK)


def test_program_of_a_path_is_sought_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert program_named("./tool") == "./tool"


@pytest.mark.parametrize("name", ["..", ".", "/", "no-such-program", "/no/such/program", "/etc/passwd"])
def test_program_that_cannot_be_run_is_refused_in_words(name: str):
    with pytest.raises(DevError, match="program"):
        program_named(name)


def test_program_without_a_name_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for words in ([], [""], ["--"], ["--", ""]):
        assert main(["--state-dir", str(tmp_path), "run", *words]) == 1
        assert "name the program to run" in capsys.readouterr().err


def test_secrets_are_what_the_settings_ask_for(tmp_path: Path):
    made = development_secrets(tmp_path / "dev.env")
    settings = load_settings(made, env_file=None)
    assert settings.auth.secret.reveal() == made["AUTH_SECRET"]
    assert settings.jwt.private_key.reveal().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert settings.ingestion.api_key.reveal().startswith("sk_live_")


def test_secrets_file_can_be_used_as_an_env_file(tmp_path: Path):
    path = tmp_path / "dev.env"
    made = development_secrets(path)
    assert load_settings({}, env_file=path).ingestion.signing_secret.reveal() == made["SIGNING_SECRET"]


def test_secret_that_was_taken_out_is_made_anew_and_the_others_stay(tmp_path: Path):
    path = tmp_path / "dev.env"
    first = development_secrets(path)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "SIGNING" not in line))
    second = development_secrets(path)
    assert second["SIGNING_SECRET"] != first["SIGNING_SECRET"]
    assert second["AUTH_SECRET"] == first["AUTH_SECRET"]


def test_folder_is_the_object_store_where_no_other_is_chosen(tmp_path: Path):
    ours = environment.objects({"PORT": "1"}, tmp_path, 8027, "a-secret-of-this-folder")
    settings = load_settings(environment.combined({}, ours), env_file=None)
    assert settings.object_store.configured
    assert (settings.object_store.folder, settings.object_store.endpoint) == (str(tmp_path), "http://127.0.0.1:8027")
    assert settings.object_store.secret_access_key.reveal() == "a-secret-of-this-folder"


@pytest.mark.parametrize("given", [{"S3_ENDPOINT": "http://localhost:8333"}, {"S3_BUCKET": "mine"}])
def test_object_store_of_the_developer_is_used_whole(tmp_path: Path, given: dict[str, str]):
    assert environment.objects(given, tmp_path, 8027, "secret") == {}


def test_taken_port_gives_way_to_the_next_free_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        chosen = ports.choose("PORT", number, {}, taken=ports.Claims())
        assert chosen.number > number
        assert chosen.instead_of == number


def test_port_chosen_by_hand_is_never_changed_silently():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(DevError, match=f"port {number} .PORT. is taken"):
            ports.choose("PORT", 3000, {"PORT": str(number)}, taken=ports.Claims())


def test_two_services_never_get_one_port():
    taken = ports.Claims()
    numbers = [ports.choose(name, 20_000, {}, taken=taken).number for name in ("A", "B", "C")]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize("port", ["three", "99999", "0", "-1", "65536", "3000x", "٣٠٠٠", "9" * 5000])
def test_port_that_is_none_is_named(port: str):
    with pytest.raises(DevError, match="PORT must be a port from 1 to 65535"):
        ports.choose("PORT", 3000, {"PORT": port}, taken=ports.Claims())


def test_state_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SINGR_STATE_DIR", str(tmp_path / "elsewhere"))
    assert StateDirectory().path == tmp_path / "elsewhere"


def test_state_is_at_the_root_of_the_workspace_from_anywhere_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SINGR_STATE_DIR", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\n")
    deep = tmp_path / "packages" / "one"
    deep.mkdir(parents=True)
    (deep / "pyproject.toml").write_text("[project]\n")
    monkeypatch.chdir(deep)
    assert StateDirectory().path == tmp_path / ".singr"


def test_one_process_runs_in_a_state_directory(tmp_path: Path):
    first, second = StateDirectory(tmp_path), StateDirectory(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    assert second.runner() == os.getpid()
    first.release()
    assert second.runner() is None


def test_what_a_killed_run_published_is_not_believed(tmp_path: Path):
    state = StateDirectory(tmp_path)
    state.prepare()
    state.publish(runtime(pid=12))
    assert state.runtime() == runtime(pid=12)
    assert state.running() is None
    assert stat.S_IMODE((tmp_path / "runtime.json").stat().st_mode) == 0o600


def test_reset_refuses_while_somebody_runs(tmp_path: Path):
    first, second = StateDirectory(tmp_path), StateDirectory(tmp_path)
    first.acquire()
    first.prepare()
    with pytest.raises(DevError, match="make down"):
        second.reset()
    first.release()
    second.reset()
    assert not first.logs.exists()


def test_developers_own_settings_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("EMAIL_PROVIDER=mailjet\nLOG_LEVEL=debug\n")
    monkeypatch.setenv("LOG_LEVEL", "trace")
    given = environment.developers(tmp_path / ".env")
    combined = environment.combined(given, {"EMAIL_PROVIDER": "smtp", "SMS_PROVIDER": "twilio", "LOG_LEVEL": "info"})
    assert (combined["EMAIL_PROVIDER"], combined["SMS_PROVIDER"], combined["LOG_LEVEL"]) == (
        "mailjet",
        "twilio",
        "trace",
    )
    assert combined["APP_ENV"] == "development"


def test_messages_lead_to_the_api_unless_the_developer_runs_a_web_app():
    ours = environment.sites(3210)
    assert {urlsplit(address).port for address in ours.values()} == {3210}
    assert urlsplit(ours["APP_URL_WEB"]).hostname == "localhost"
    settings = load_settings(environment.combined({"APP_URL_WEB": "http://localhost:5173"}, ours), env_file=None)
    assert (settings.app.url_web, settings.app.url_customer) == ("http://localhost:5173", "http://localhost:3210")


def test_leftover_is_ended_only_when_the_process_is_what_it_was(tmp_path: Path):
    impostor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    leftover = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "singr-worker"], start_new_session=True
    )
    try:
        while "singr-worker" not in children._process.command_of(leftover.pid):
            assert leftover.poll() is None
        assert children.end_leftovers({"api": impostor.pid, "worker": leftover.pid}) == ["worker"]
        assert leftover.wait(5) != 0
        assert impostor.poll() is None
    finally:
        for process in (impostor, leftover):
            process.kill()
            process.wait()


def test_child_that_ends_is_reported_with_the_tail_of_its_log(tmp_path: Path):
    child = children.start(
        "worker",
        [sys.executable, "-c", "import sys; print('no route to the moon'); sys.exit(7)"],
        environ=os.environ,
        log=tmp_path / "worker.log",
    )
    with pytest.raises(DevError, match=r"worker ended with exit code 7(.|\n)*no route to the moon"):
        child.wait_ready("http://127.0.0.1:9/ready", 20, also=lambda: None)


def test_child_that_lives_is_waited_for_and_what_it_lacks_is_told_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(children, "_PATIENCE_SECONDS", 0.0)
    starts_late = (
        "import http.server as h, sys\n"
        "class Late(h.BaseHTTPRequestHandler):\n"
        "    asked = 0\n"
        "    def do_GET(self):\n"
        "        Late.asked += 1\n"
        "        self.send_response(200 if Late.asked > 3 else 503); self.end_headers(); self.wfile.write(b'tables')\n"
        "server = h.HTTPServer(('127.0.0.1', 0), Late)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    log = tmp_path / "api.log"
    child = children.start("api", [sys.executable, "-c", starts_late], environ=os.environ, log=log)
    try:
        while not (found := re.match(r"(\d+)\n", log.read_text())):
            assert child.failed() is None
        url, told = f"http://127.0.0.1:{found[1]}/ready", list[str]()
        child.wait_ready(url, up._READY_SECONDS, also=lambda: None, tell=told.append)
        assert told == [f"the api lives, and is not ready: {url} says 503 tables"] * 3
        with pytest.raises(DevError, match=r"the api is not ready after 0 s; \S+:9/ready says: nothing"):
            child.wait_ready("http://127.0.0.1:9/ready", 0.0, also=lambda: None)
    finally:
        child.stop(1)


def test_child_that_ignores_the_stop_is_killed_with_all_it_started(tmp_path: Path):
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(inner.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "api.log"
    child = children.start("api", [sys.executable, "-c", code], environ=os.environ, log=log)
    while not (found := re.match(r"(\d+)\n", log.read_text())):
        assert child.failed() is None
    child.stop(0.3)
    assert child.process.poll() is not None
    children._process.wait_until_gone(lambda: bool(children._process.command_of(int(found[1]))), 5)
    assert not children._process.command_of(int(found[1]))


def test_two_runs_that_start_at_the_same_moment_take_different_ports():
    first, second = ports.Claims(), ports.Claims()
    chosen = [ports.choose("PORT", 20_100, {}, taken=one).number for one in (first, second)]
    assert len(set(chosen)) == 2
    with pytest.raises(DevError, match="taken"):
        ports.choose("PORT", 3000, {"PORT": str(chosen[0])}, taken=second)
    first.close()
    second.close()
    third = ports.Claims()
    assert ports.choose("PORT", chosen[0], {}, taken=third).number == chosen[0]
    third.close()


def test_api_and_worker_may_start_at_once_over_the_tables_of_this_version_only(
    postgres_url: str, shared_servers: SharedServers, tmp_path: Path
):
    assert is_current(postgres_url)
    assert not is_current(shared_servers.postgres.url("postgres"))  # no tables
    assert not is_current(f"postgresql://singr@/singr?host={tmp_path}")  # no server
