"""What every test of the repository runs with."""

import functools
import os
import sys

import pytest

# Set (as in many images), each of the processes that tests start would compile what it imports anew: 5 s instead of 1.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> None:
    """Build the TLS context of HTTP clients once: 19 ms for each, and tests speak plain HTTP on this machine."""
    import httpx._transports.default as transports  # noqa: PLC0415 — tests without a client need not wait for it

    transports.create_ssl_context = functools.cache(transports.create_ssl_context)  # type: ignore[assignment] # same form
