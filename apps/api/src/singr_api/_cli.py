"""`singr-api`: serve the API."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from singr_config import ConfigurationError, load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="singr-api", description="The HTTP API of Singr.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until SIGTERM or Ctrl-C")
    serve.add_argument("--host", help="instead of HOST")
    serve.add_argument("--port", type=int, help="instead of PORT; 0 takes a free one")
    serve.add_argument("--processes", type=int, help="instead of API_PROCESSES")
    arguments = parser.parse_args(argv)
    if arguments.processes is not None and arguments.processes < 1:
        parser.error("--processes must be 1 or more")
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    from singr_db import DatabaseUrlError, PoolerError, refuse_transaction_pooling  # noqa: PLC0415 — see below

    try:
        asyncio.run(refuse_transaction_pooling(settings.database.url))
    except (DatabaseUrlError, PoolerError) as error:
        print(error, file=sys.stderr)
        return 2
    from singr_api._serve import serve as run  # noqa: PLC0415 — a wrong setting is told before everything is loaded

    run(settings, host=arguments.host, port=arguments.port, processes=arguments.processes)
    return 0
