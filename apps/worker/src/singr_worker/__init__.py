"""The worker of Singr: job handlers, dispatcher and maintenance loops, supervised."""

from singr_worker._wiring import build_worker, queue_options

__all__ = ["build_worker", "queue_options"]
