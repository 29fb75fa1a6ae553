"""`singr-worker`: runs the background jobs.

Of the supervisor and its processes, only the processes load the libraries that do the work.
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from singr_config import AppEnv, ConfigurationError, Settings, load_settings
from singr_jobs import Queue
from singr_observability import configure_logging
from singr_worker._heartbeat import say_checked
from singr_worker._supervisor import REFUSED, RefusedError, Supervisor


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run; exits with 2 when it, or the configuration, is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [] if options.jobs else [name for name in options.queues if name not in list(Queue)]
    if unknown:  # with --jobs, which may declare queues, the first process looks
        parser.error(f"argument --queues: no queue {', '.join(unknown)}; there are {', '.join(Queue)}")
    try:
        settings = load_settings()
    except ConfigurationError as error:
        _refuse(error)
    if options.command == "serve":
        from singr_worker._check import check  # noqa: PLC0415 — see above: the supervisor has no use for any of this
        from singr_worker._child import run_child  # noqa: PLC0415

        if options.check and (problem := check(settings, queues=options.queues, jobs=options.jobs)):
            _refuse(problem)
        say_checked(options.pipe)
        run_child(
            settings,
            queues=options.queues,
            name=options.name,
            lease=options.lease,
            metrics_dir=options.metrics_dir,
            pipe=options.pipe,
            jobs=options.jobs,
        )
    else:
        _supervise(settings, options)


def _refuse(error: object) -> NoReturn:
    print(error, file=sys.stderr)
    sys.exit(REFUSED)


def _supervise(settings: Settings, options: argparse.Namespace) -> None:
    gc.enable()
    logging = configure_logging(level=settings.app.log_level, json=settings.app.env is not AppEnv.DEVELOPMENT)
    count = options.processes or settings.worker.processes
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on there is something to put in order
    try:
        asyncio.run(_run(settings, options, count))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except RefusedError:
        sys.exit(REFUSED)  # what is wrong is said already, by the process that looked
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _refuse(f"{error.strerror or error}{where}")
    finally:
        logging.close()


async def _run(settings: Settings, options: argparse.Namespace, count: int) -> None:
    supervisor = Supervisor(settings, queues=options.queues, count=count, lease=options.lease, jobs=options.jobs)
    await supervisor.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="singr-worker", description="Run Singr's background jobs.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve queues until SIGTERM or Ctrl-C, with health and metrics over HTTP")
    run.add_argument("--processes", type=_positive, help="how many processes [WORKER_PROCESSES, else 1]")
    serve = commands.add_parser("serve", description="One process of `run`, which starts it; not for people.")
    serve.add_argument("--name", required=True)
    serve.add_argument("--pipe", type=int, required=True)
    serve.add_argument("--metrics-dir", type=Path, required=True)
    serve.add_argument("--check", action="store_true", help="first say what would stop every process at its start")
    for command in (run, serve):
        command.add_argument("--queues", type=_queues, default=[], metavar="NAME,…", help=_QUEUES_HELP)
        command.add_argument("--lease", type=_lease, default=15.0, metavar="SECONDS", help=_LEASE_HELP)
        command.add_argument("--jobs", default="", metavar="MODULE:NAME", help=_JOBS_HELP)
    return parser


_QUEUES_HELP = f"which queues to serve [all]: {', '.join(Queue)}, or what --jobs declares"

_JOBS_HELP = "a singr_jobs.Jobs to serve instead of Singr's own, such as billing.tasks:jobs"

_LEASE_HELP = "a job whose worker is silent this long runs again elsewhere [15]"


def _lease(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 3 <= seconds <= 3600:  # noqa: PLR2004 - three polls of a second, and an hour
        raise argparse.ArgumentTypeError(f"needs 3 to 3600 seconds, not {text!r}")
    return seconds


def _queues(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("needs queue names separated by commas, such as email,sms")
    return list(dict.fromkeys(names))


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needs a whole number from 1, not {text!r}")
    return int(text)
