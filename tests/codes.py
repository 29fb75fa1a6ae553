"""A clock for codes of authenticator apps: none turns old between being made and being checked."""

from collections.abc import Iterator
from contextlib import contextmanager

from singr_config.clock import clock

STEP = 30


@contextmanager
def begun_step() -> Iterator[None]:
    """Move this process's clock on to where a half minute begins, and whoever turns it already along.

    Codes are checked by the clock of the API's own process alone.
    """
    before, by = clock._ahead or (lambda: 0), round((STEP - clock.time() % STEP) * 1e9)
    with clock.moved(lambda: before() + by):
        yield
