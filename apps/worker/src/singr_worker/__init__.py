"""The worker of Singr: job handlers, dispatcher and maintenance loops, supervised."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singr_worker._wiring import build_worker, queue_options

__all__ = ["build_worker", "queue_options"]


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is (PEP 562): the command line begins before a second of imports."""
    if name in __all__:
        from singr_worker import _wiring  # noqa: PLC0415 — see above

        return getattr(_wiring, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
