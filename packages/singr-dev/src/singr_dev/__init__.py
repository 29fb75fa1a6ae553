"""Development only: embedded PostgreSQL and Valkey, mail inbox, provider simulators, pytest plugin."""

from singr_dev._errors import DevError, EmbeddedError

__all__ = ["DevError", "EmbeddedError"]
