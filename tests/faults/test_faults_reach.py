"""An outage that reaches handlers and not the queue: row R21."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    ("outage", "messages", "times"),
    [
        (disk_full, 6, 2),
        (role_missing, 6, 2),
        pytest.param(rights_missing, 100, 5, marks=full),
        pytest.param(disk_full, 100, 6, marks=full),
    ],
)
async def test_an_outage_that_reaches_handlers_alone_costs_no_message(
    site: Site,
    mailjet: MailjetSimulator,
    twilio: TwilioSimulator,
    outage: Callable[[Site], Iterator[None]],
    messages: int,
    times: int,
) -> None:
    """R21: jobs wait, none counts an attempt, none fails, and all is sent once when it is over."""
    site.environ |= {**mailjet.environ, **twilio.environ, "AUTH_SECRET": AUTH_SECRET}
    with site.run_worker("--processes", "1") as worker:
        until(lambda: worker.status("/ready") == 200, within=30, what="it is ready")
        with outage(site):
            await put_messages(site, messages)
            until(lambda: site.count(f"{_WAITING}{times}") == messages, within=60, what=lambda: f"wait: {site.jobs()}")
            assert site.count("messages WHERE status = 'queued'") == messages
            assert (outage is role_missing) is (worker.status("/ready") == 503)
        until(lambda: site.count("messages WHERE status = 'sent'") == messages, within=90, what=lambda: where(site))
        until(lambda: worker.status("/ready") == 200, within=15, what="it is ready again")
    assert len(mailjet.received) == len(twilio.received) == messages // 2
    assert site.count("jobs WHERE status = 'completed' AND attempt = 1") == messages
    assert site.count("job_attempts") == 0
