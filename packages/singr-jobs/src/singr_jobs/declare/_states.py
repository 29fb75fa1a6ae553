"""The states of a job's row, as the statements that look at them write them."""

from typing import Final

UNFINISHED: Final = "('pending', 'dispatched', 'processing')"
"""A job in one of these has not ended: it may yet run, and holds its unique key."""
