"""Every line has the same form, carries its request's id, and holds no secret; none is lost short of SIGKILL."""

import asyncio
import io
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

import pytest
from loguru import logger

from singr_observability import (
    bind_correlation,
    configure_logging,
    correlation_id,
    correlation_scope,
    declare_event,
    emit_event,
    get_logger,
    new_correlation_id,
    run_in_thread,
)
from singr_observability.logs import _repeats

CANARY = "sk_live_c4n4ryV4lue"
JOB = UUID("01920000-0000-7000-8000-000000000001")


def test_line_has_level_time_module_and_correlation_id(log):
    with correlation_scope("req-1", organization_id=JOB):
        get_logger("singr_jobs").warning("job {name} late", name="x")
        emit_event("info", "singr_jobs", "job completed", {"job_id": JOB, "token": CANARY})
    loguru_line, event_line = log.lines
    assert loguru_line["level"] == "warn"
    assert loguru_line["message"] == "job x late"
    assert event_line == {
        "time": event_line["time"], "level": "info", "module": "singr_jobs", "message": "job completed",
        "correlation_id": "req-1", "organization_id": str(JOB), "job_id": str(JOB), "token": "[REDACTED]",
    }  # fmt: skip
    for line in log.lines:
        assert line["correlation_id"] == "req-1"
        assert line["organization_id"] == str(JOB)
        assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("level", "shown"), [("fatal", 1), ("error", 2), ("warn", 3), ("info", 4), ("debug", 5), ("trace", 6)]
)
def test_level_of_the_configuration_decides_what_is_written(level: str, shown: int):
    sink = io.StringIO()
    handle = configure_logging(level=level, json=True, sink=sink)
    for name in ("fatal", "error", "warn", "info", "debug", "trace"):
        emit_event(name, "m", "event")
    handle.close()
    assert len(sink.getvalue().splitlines()) == shown


def test_unknown_level_is_refused_with_the_choice():
    with pytest.raises(ValueError, match="fatal"):
        configure_logging(level="loud", json=True)


def test_declared_event_is_a_line_like_any_other_and_redacted(log):
    event = declare_event("info", "singr_jobs", "job completed", ("job_id", "note", "email", "skipped"))
    with correlation_scope("req-2"):
        event(JOB, "fine", "jane@x.org", None)
        event(JOB, f"used {CANARY}", "jane@x.org", 1)
    first, second = log.lines
    assert first["correlation_id"] == "req-2"
    assert list(first) == ["time", "level", "module", "message", "correlation_id", "job_id", "note", "email"]
    assert second["note"] == "used [REDACTED]"
    assert first["email"] == "j***@x.org"
    with pytest.raises(ValueError, match="message"):
        declare_event("info", "m", "x", ("message",))
    with pytest.raises(TypeError, match="4 values"):
        event(JOB)


def test_exception_is_logged_with_traceback_but_no_local_values(log):
    def fails() -> None:
        local = "local-" + "value-" * 2
        raise ValueError(f"bad {CANARY} at postgresql://u:pw1234@h/d") from RuntimeError(local[:3])

    try:
        fails()
    except ValueError:
        get_logger("m").exception("failed")
    exception = log.lines[0]["exception"]
    assert exception["type"] == "ValueError"
    assert "in fails" in exception["traceback"]
    assert "RuntimeError: loc" in exception["traceback"]
    assert "local-value-" not in log.text
    assert CANARY not in log.text
    assert "pw1234" not in log.text


@pytest.mark.parametrize(
    "name", ["uvicorn.error", "dramatiq.worker", "sqlalchemy.pool", "alembic.runtime", "any.other"]
)
def test_standard_library_loggers_take_the_same_way(log, name: str):
    with correlation_scope("req-3"):
        logging.getLogger(name).warning("half %d %s", 5, f"token={CANARY}")
    (line,) = log.lines
    assert (line["module"], line["level"], line["correlation_id"]) == (name, "warn", "req-3")
    assert line["message"] == "half 5 token=[REDACTED]"


def test_what_a_library_says_at_each_try_is_written_once_a_minute_and_another_reason_at_once(log, monkeypatch):
    """Half a minute without PostgreSQL or Redis was hundreds of lines of each process."""
    now = [1000.0]
    monkeypatch.setattr(_repeats, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for second in range(70):
        now[0] += 1
        why = "the system is shutting down" if second < 2 else f"no such file, {second} s"
        logging.getLogger("psycopg.pool").warning("error connecting in %r: %s", "vm:1", why)
        for queue in ("sms", "push"):
            logging.getLogger(f"dramatiq.worker.ConsumerThread({queue})").critical("connection error: %s", "Error 2")
        logging.getLogger("somebody.s").warning("imported %d rows", second)
    told = [line["message"] for line in log.lines if line["module"] != "somebody.s"]
    assert told == [
        "error connecting in 'vm:1': the system is shutting down",
        "connection error: Error 2",
        "error connecting in 'vm:1': no such file, 2 s",
        "connection error: Error 2 (119 times more before)",
        "error connecting in 'vm:1': no such file, 62 s (59 times more before)",
    ]
    assert len(log.lines) == len(told) + 70


async def test_a_process_that_may_open_no_more_connections_says_so_once(log):
    """300 connections where 256 files may be open were 2 MB of stacks in ten seconds."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with server:
        callers = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(3)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            await asyncio.sleep(0.05)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for caller in callers:
            caller.close()
    assert [line["message"].split("\n")[0] for line in log.lines] == ["socket.accept() out of system resource"]


def test_statements_and_access_lines_of_others_stay_quiet_at_info(log):
    logging.getLogger("sqlalchemy.engine.Engine").info("SELECT 1")
    logging.getLogger("uvicorn.access").info("GET /?token=x")
    assert log.lines == []


def test_line_breaks_and_control_characters_cannot_forge_lines(log):
    get_logger("m").info('x\n{"level":"fatal"}')
    assert len(log.lines) == 1
    pretty = io.StringIO()
    handle = configure_logging(level="info", json=False, sink=pretty)
    emit_event("info", "m", "event", {"note": "a\nb\x1b[2J"})
    handle.close()
    assert pretty.getvalue().count("\n") == 1
    assert "\x1b[2J" not in pretty.getvalue()


def test_values_json_cannot_hold_do_not_lose_the_line(log):
    emit_event(
        "info", "m", "event", {"lone": "\ud800", "big": 2**70, "nan": float("nan"), "object": object(), "set": {1}}
    )
    get_logger("m").info("lone \ud800")
    first, second = log.lines
    assert first["big"] == str(2**70)
    assert "ud800" in second["message"]


def test_field_named_as_a_core_field_does_not_replace_it(log):
    emit_event("info", "m", "event", {"level": "x", "time": 1})
    assert log.lines[0]["level"] == "info"
    assert log.lines[0]["level_"] == "x"


def test_readable_form_shows_message_fields_and_traceback():
    sink = io.StringIO()
    handle = configure_logging(level="debug", json=False, sink=sink)
    get_logger("m").opt(exception=KeyError("gone")).error("lookup failed")
    declare_event("info", "m", "done", ("count",))(3)
    handle.close()
    assert "lookup failed" in sink.getvalue()
    assert "KeyError: 'gone'" in sink.getvalue()
    assert "count=3" in sink.getvalue()


def test_lines_arrive_within_a_moment_without_a_flush(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as sink:
        handle = configure_logging(level="info", json=True, sink=sink)
        emit_event("info", "m", "event")
        deadline = time.monotonic() + 5
        while not path.read_text() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert json.loads(path.read_text())["message"] == "event"
        emit_event("error", "m", "bad")
        assert len(path.read_text().splitlines()) == 2, "an error is written before the call returns"
        handle.close()


def test_many_threads_lose_and_tear_no_line(log):
    def work(number: int) -> None:
        for index in range(500):
            emit_event("info", "m", "event", {"place": f"{number}-{index}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["place"] for line in log.lines}) == 4000


def test_sink_that_stands_still_drops_and_counts_instead_of_growing():
    class Stuck(io.StringIO):
        released = threading.Event()

        def write(self, text: str) -> int:
            self.released.wait(30)
            return super().write(text)

    sink = Stuck()
    handle = configure_logging(level="info", json=True, sink=sink)
    event = declare_event("info", "m", "event", ())
    for _ in range(60_000):
        event()
    sink.released.set()
    handle.close()
    lines = sink.getvalue().splitlines()
    dropped = sum(json.loads(line).get("dropped", 0) for line in lines if '"dropped"' in line)
    assert dropped > 0
    assert len([line for line in lines if '"event"' in line]) + dropped == 60_000


def test_closed_sink_does_not_fail_the_work():
    sink = io.StringIO()
    handle = configure_logging(level="info", json=True, sink=sink)
    sink.close()
    emit_event("error", "m", "event")
    get_logger("m").error("event")
    handle.close()


def run_script(body: str) -> subprocess.CompletedProcess[str]:
    script = "from singr_observability import *\n" + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_lines_are_written_at_exit():
    done = run_script(
        """
        configure_logging(level="info", json=True)
        for number in range(1000): emit_event("info", "m", "event", {"number": number})
        """
    )
    assert [json.loads(line)["number"] for line in done.stderr.splitlines()] == list(range(1000))


def test_standard_record_with_wrong_arguments_is_still_logged():
    done = run_script(
        """
        import logging
        configure_logging(level="info", json=True)
        logging.getLogger("x").error("%d items", "many")
        """
    )
    assert json.loads(done.stderr)["message"] == "%d items"


def test_uncaught_exception_is_logged_redacted_after_the_lines_before_it():
    done = run_script(
        """
        configure_logging(level="info", json=True)
        emit_event("info", "m", "before")
        import threading
        def fails(): raise ValueError("thread password=hunter2")
        thread = threading.Thread(target=fails); thread.start(); thread.join()
        secret = "sk_live_" + "c4n4ry" * 3
        raise RuntimeError(f"uncaught {secret}")
        """
    )
    assert done.returncode == 1
    before, in_thread, uncaught = map(json.loads, done.stderr.splitlines())
    assert (before["message"], in_thread["level"], uncaught["level"]) == ("before", "error", "fatal")
    assert "c4n4ryc4n4ry" not in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forked_child_logs_its_own_lines_once():
    done = run_script(
        """
        import os, warnings
        # Python 3.12 and newer warn of what is tried here: a fork beside the thread that writes the lines.
        warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
        configure_logging(level="info", json=True)
        emit_event("info", "m", "parent before")
        pid = os.fork()
        emit_event("info", "m", "child" if pid == 0 else "parent after", {"id": new_correlation_id()})
        if pid: os.waitpid(pid, 0)
        """
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert sorted(line["message"] for line in lines) == ["child", "parent after", "parent before"]
    assert len({line.get("id") for line in lines}) == 3


def test_sigterm_of_a_server_that_flushes_loses_nothing():
    script = (
        "import os, signal\nfrom singr_observability import *\nconfigure_logging(level='info', json=True)\n"
        "emit_event('info', 'm', 'last')\nflush_logs()\nsignal.raise_signal(signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert '"last"' in done.stderr


def test_loguru_works_before_configuration(capfd):
    done = run_script("emit_event('warn', 'm', 'early'); declare_event('warn', 'm', 'too', ('a',))(1)")
    assert "early" in done.stderr
    assert "too" in done.stderr


def test_closing_gives_hooks_and_handlers_back():
    before = (sys.excepthook, threading.excepthook, [*logging.getLogger().handlers])
    configure_logging(level="info", json=True, sink=io.StringIO())
    configure_logging(level="debug", json=True, sink=io.StringIO()).close()
    assert (sys.excepthook, threading.excepthook, [*logging.getLogger().handlers]) == before
    logger.info("goes nowhere, raises nothing")


async def test_context_crosses_into_threads_and_tasks(log):
    def in_thread() -> str | None:
        get_logger("m").info("in thread")
        return correlation_id.get()

    with correlation_scope("req-4"):
        bind_correlation(organization_id=JOB)
        assert await run_in_thread(in_thread) == "req-4"
        assert await asyncio.create_task(run_in_thread(in_thread)) == "req-4"
    assert correlation_id.get() is None
    assert [line["organization_id"] for line in log.lines] == [str(JOB)] * 2
    get_logger("m").info("outside")
    assert "organization_id" not in log.lines[-1]


def test_ids_differ():
    assert len({new_correlation_id() for _ in range(10_000)}) == 10_000
    assert len(new_correlation_id()) == 32


def test_no_local_value_is_shown_where_nobody_has_configured_logging():
    """A service that imports a library of ours alone has loguru's own handler, which shows the values of variables."""
    program = """
        import sys
        from singr_observability import get_logger

        def pay(card):
            raise ValueError("refused")

        try:
            pay(sys.argv[1])
        except ValueError as error:
            get_logger("service").opt(exception=error).error("an attempt failed: {}", "ValueError")
    """
    command = [sys.executable, "-c", textwrap.dedent(program), CANARY]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "an attempt failed: ValueError" in said
    assert "in pay" in said
    assert "ValueError: refused" in said
    assert CANARY not in said
