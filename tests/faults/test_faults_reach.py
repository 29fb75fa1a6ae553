"""An outage that reaches handlers and not the queue: row R21."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest
from faults.harness import Site, until
from faults.test_faults_providers import AUTH_SECRET, put_messages, where

from singr_dev.simulators import MailjetSimulator, TwilioSimulator

full = pytest.mark.full
_WAITING = "jobs WHERE status <> 'completed' AND coalesce((error #>> '{outage,times}')::int, 0) >= "


@contextmanager
def disk_full(site: Site) -> Iterator[None]:
    """The ledger's table takes no row."""
    site.sql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    )
    site.sql("CREATE TRIGGER full_disk BEFORE INSERT ON message_attempts EXECUTE FUNCTION full_disk()")
    yield
    site.sql("DROP FUNCTION full_disk CASCADE")


@contextmanager
def role_missing(site: Site) -> Iterator[None]:
    """The tenant role is not there."""
    site.sql("ALTER ROLE singr_tenant RENAME TO singr_tenant_away")
    yield
    site.sql("ALTER ROLE singr_tenant_away RENAME TO singr_tenant")


@contextmanager
def rights_missing(site: Site) -> Iterator[None]:
    """Somebody took a right away."""
    site.sql("REVOKE INSERT ON message_attempts FROM singr_tenant")
    yield
    site.sql("GRANT INSERT ON message_attempts TO singr_tenant")


@pytest.mark.parametrize(
    ("outages", "messages", "times"),
    [
        pytest.param((disk_full, role_missing), 6, 2, id="disk_full-role_missing"),
        pytest.param((rights_missing,), 100, 5, id="rights_missing-100-5", marks=full),
        pytest.param((disk_full,), 100, 6, id="disk_full-100-6", marks=full),
    ],
)
async def test_an_outage_that_reaches_handlers_alone_costs_no_message(
    site: Site,
    mailjet: MailjetSimulator,
    twilio: TwilioSimulator,
    outages: Sequence[Callable[[Site], AbstractContextManager[None]]],
    messages: int,
    times: int,
) -> None:
    """R21: jobs wait, none counts an attempt, none fails, and all is sent once when it is over."""
    site.environ |= {**mailjet.environ, **twilio.environ, "AUTH_SECRET": AUTH_SECRET}
    everything = 0
    with site.run_worker("--processes", "1") as worker:
        until(lambda: worker.status("/ready") == 200, within=30, what="it is ready")
        for outage in outages:
            everything += messages
            # An ordinary mail is begun by one statement of the platform's; an SMS goes the whole way, as a tenant.
            waiting = messages if outage is disk_full else messages // 2
            with outage(site):
                await put_messages(site, messages)
                wait(site, f"{_WAITING}{times}", waiting)
                assert site.count("messages WHERE status = 'queued'") == waiting
                assert (outage is role_missing) is (worker.status("/ready") == 503)
            wait(site, "messages WHERE status = 'sent'", everything)
            until(lambda: worker.status("/ready") == 200, within=15, what="it is ready again")
    assert len(mailjet.received) == len(twilio.received) == everything // 2
    assert site.count("jobs WHERE status = 'completed' AND attempt = 1") == everything
    assert site.count("job_attempts") == 0


def wait(site: Site, rows: str, number: int) -> None:
    """Wait until there are so many of these rows."""
    until(lambda: site.count(rows) == number, within=90, what=lambda: f"{rows}: {site.jobs()} {where(site)}")
