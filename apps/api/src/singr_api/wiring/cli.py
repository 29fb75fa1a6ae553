"""`singr-api`: serve the API."""

import argparse
import asyncio
import gc
import re
import signal
import sys
from collections.abc import Callable, Sequence

from singr_config import ConfigurationError, load_settings

_INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="singr-api", description="The HTTP API of Singr.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until SIGTERM or Ctrl-C")
    serve.add_argument("--host", help="instead of HOST")
    serve.add_argument("--port", type=_number(0, 65_535), help="instead of PORT; 0 takes a free one")
    serve.add_argument("--processes", type=_number(1, 256), help="instead of API_PROCESSES")
    arguments = parser.parse_args(argv)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    from singr_comms import check_settings  # noqa: PLC0415 — see below
    from singr_jobs import check_carrier  # noqa: PLC0415 — see below

    if problems := [*check_settings(settings), *check_carrier(settings)]:
        print("\n".join(problems), file=sys.stderr)
        return 2
    from singr_db import DatabaseUrlError, PoolerError, refuse_transaction_pooling  # noqa: PLC0415 — see below

    try:
        asyncio.run(refuse_transaction_pooling(settings.database.url))
    except (DatabaseUrlError, PoolerError) as error:
        print(error, file=sys.stderr)
        return 2
    from singr_api.wiring.serve import serve as run  # noqa: PLC0415 — a wrong setting is told before everything is loaded

    gc.enable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on there is something to put in order
    try:
        run(settings, host=arguments.host, port=arguments.port, processes=arguments.processes)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:  # the address, the disk, a permission: nothing that a stack would explain
        where = f" ({error.filename})" if error.filename else ""
        print(f"singr-api: {error.strerror or error}{where}", file=sys.stderr)
        return 2
    return 0


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text[:20]!r}")
        return int(text)

    return read
