"""All of Singr on one machine: what `singr-dev up` runs, and how others find it."""

from singr_dev.stack._state import Runtime, StateDirectory

__all__ = ["Runtime", "StateDirectory"]
