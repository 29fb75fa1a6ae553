"""A job for tests of the clock: fails for a while, an hour apart."""

import msgspec

from singr_jobs import Exponential, JobContext, Jobs, Queue

jobs = Jobs()


class Patient(msgspec.Struct, frozen=True, tag="clock.patient"):
    """Fails before its third attempt."""


@jobs.handler(Patient, queue=Queue.WEBHOOK, attempts=5, backoff=Exponential(3600.0))
async def patient(_: Patient, context: JobContext) -> dict[str, int]:
    """Fail until it is the third attempt."""
    if context.attempt < 3:
        raise RuntimeError("not yet")
    return {"attempt": context.attempt}
