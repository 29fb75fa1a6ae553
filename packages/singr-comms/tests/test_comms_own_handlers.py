"""What a provider's error means to the job of a handler that calls the provider itself."""

from collections.abc import Callable

import msgspec
import pytest
from comms_queueing import ORGANIZATION
from comms_smtp_script import DROP, SENDER, Script

from singr_comms import EmailEnvelope, PermanentSendError, SmtpProvider, TransientError, UnknownOutcomeError
from singr_jobs import JobContext, Jobs, enqueue
from singr_jobs.testing import InMemoryJobs, MemoryJob


class Tell(msgspec.Struct, frozen=True, tag="test.tell"):
    """Sends by a provider of the service's own."""


async def came_of(act: Callable[[], object], *, attempts: int) -> MemoryJob:
    """The job, after an hour with a worker."""
    made = Jobs()

    @made.handler(Tell, attempts=attempts, timeout=20)
    async def tell(_job: Tell, _context: JobContext) -> None:
        await act()  # type: ignore[misc]  # what the test gives

    memory = InMemoryJobs(made)
    await enqueue(memory, Tell(), organization_id=ORGANIZATION)
    for _ in range(60):
        memory.advance(60)
        await memory.run_due()
    [job] = memory.all
    return job


@pytest.mark.parametrize("attempts", [1, 3])
async def test_own_handler_sends_no_mail_twice_that_may_have_been_taken(
    attempts: int, song_email: Callable[..., EmailEnvelope]
) -> None:
    script = Script(**{".": DROP})
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        job = await came_of(lambda: provider.send(song_email()), attempts=attempts)
        await provider.close()
    assert len(script.mails) == 1
    assert (job.status, job.attempt) == ("failed", 1)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (TransientError("away", "nobody answers", waits=True), 3),
        (TransientError("busy", "not now", retry_after=7), 3),
        (UnknownOutcomeError("lost", "no answer came"), 1),
        (PermanentSendError("smtp_550", "no such mailbox"), 1),
    ],
)
async def test_each_kind_of_a_providers_error_means_one_thing_to_an_own_job(error: Exception, tries: int) -> None:
    met = []

    async def send() -> None:
        met.append(1)
        raise error from ConnectionResetError("gone")

    job = await came_of(send, attempts=3)
    assert (job.status, len(met)) == ("failed", tries)
    assert job.error is not None
    assert job.error.code == error.code  # type: ignore[attr-defined]  # every SendError has one


@pytest.mark.parametrize("wrong", ["30", True, object()])
def test_a_wait_that_is_no_number_is_refused_where_the_error_is_made(wrong: object) -> None:
    with pytest.raises(TypeError, match="retry_after must be a number of seconds"):
        TransientError("busy", "not now", retry_after=wrong)  # type: ignore[arg-type]  # what is under test
