"""Providers that refuse our account or fail for a while, and workers that die around their call: R2, R15 and R24."""

import os
import random
import signal
import time
from collections import Counter
from uuid import UUID

import pytest
from faults.harness import ORGANIZATION, Site, until

from singr_comms import EmailAddress, PlainSms, SongRequest
from singr_comms.notifications import EmailRequest, SmsRequest, queue_email, queue_sms
from singr_config import DatabaseSettings, Secret
from singr_db import Database, Sealer
from singr_dev.simulators import MailjetSimulator, ResendSimulator, TwilioSimulator

full = pytest.mark.full
AUTH_SECRET = "fault-tests-auth-secret-0123456789"


@pytest.mark.parametrize(("messages", "seconds", "processes"), [(20, 2.0, 1), pytest.param(300, 600.0, 2, marks=full)])
async def test_refused_account_loses_no_message_and_all_are_sent_afterwards(
    site: Site, mailjet: MailjetSimulator, twilio: TwilioSimulator, messages: int, seconds: float, processes: int
) -> None:
    """R24: 401 and 20003 for a while; none is lost, it is told within 30 s, and all are sent afterwards."""
    site.environ |= {**mailjet.environ, **twilio.environ, "AUTH_SECRET": AUTH_SECRET}
    known, mailjet.api_key, twilio.auth_token = (mailjet.api_key, twilio.auth_token), "another", "another"
    with site.run_worker("--processes", str(processes)) as worker:
        await put_messages(site, messages)
        until(lambda: site.count("provider_refusals") == 2, within=30, what="both refusals are known")
        until(lambda: told(worker.get("/metrics").text) == 2, within=30, what="both refusals are gauges")
        over = time.monotonic() + seconds
        until(lambda: time.monotonic() > over, within=seconds + 1, what="the account was refused for long enough")
        # One of them may just be tried, and be on its way back.
        assert site.count("messages WHERE status IN ('queued', 'dispatched')") == messages, where(site)
        assert site.count("jobs WHERE attempt > 0") == 0, "a refusal of the account counted as an attempt"
        mailjet.api_key, twilio.auth_token = known
        until(lambda: site.count("messages WHERE status = 'sent'") == messages, within=90, what=lambda: where(site))
    assert len(mailjet.received) == len(twilio.received) == messages // 2
    assert site.count("jobs WHERE status = 'completed' AND attempt = 1") == messages
    assert site.count("provider_refusals") == 0


@pytest.mark.parametrize(
    ("fault", "messages", "seconds", "processes"),
    [
        ("503", 60, 1.0, 1),
        *(pytest.param(fault, 600, 300.0, 2, marks=full) for fault in ("500", "503", "429", "hang")),
    ],
)
async def test_second_provider_takes_over_and_the_first_is_asked_again_by_one_message(
    site: Site,
    mailjet: MailjetSimulator,
    twilio: TwilioSimulator,
    fault: str,
    messages: int,
    seconds: float,
    processes: int,
) -> None:
    """R15: one provider fails for a while; mail goes by the other, text messages as ever, and nothing goes twice."""
    with ResendSimulator().serve() as resend:
        site.environ |= {**resend.environ, **mailjet.environ, **twilio.environ, "AUTH_SECRET": AUTH_SECRET}
        site.environ |= {"EMAIL_PROVIDER": "mailjet", "EMAIL_FALLBACK_PROVIDER": "resend"}
        fail(mailjet, fault)
        with site.run_worker("--processes", str(processes)) as worker:
            began = time.monotonic()
            await put_messages(site, messages)
            until(lambda: len(twilio.received) == messages // 2, within=PATIENCE, what="the other channel goes on")
            until(lambda: site.count(TAKEN_OVER) > 0, within=PATIENCE, what="the second provider took over")
            until(lambda: opened(worker.get("/metrics").text), within=PATIENCE, what="its breaker is open, and told")
            assert site.count(TRIED) <= 10 + 5 * processes, "ten failures, and what was under way in each process"
            until(lambda: time.monotonic() - began > seconds, within=seconds + 5, what="it failed for long enough")
            await put_messages(site, 2, after=1000)
            until(lambda: not site.count(UNDER_WAY), within=PATIENCE, what="all go")
            mailjet.faults.clear()
            for number in range(30):  # some message meets the moment at which one may try
                await put_messages(site, 2, after=2000 + number)
                until(lambda: not site.count(UNDER_WAY), within=PATIENCE, what="they went")
                if not opened(worker.get("/metrics").text):
                    break
                time.sleep(3)
            else:
                pytest.fail("the breaker never closed")
        codes = Counter(one.message.get("CustomID", "") for one in mailjet.received)
        assert max(codes.values(), default=1) == 1
        in_doubt = site.count("messages WHERE status = 'unknown'")
        assert in_doubt == (0 if fault in {"503", "429"} else in_doubt)
        mails = site.count("messages WHERE channel = 'email'")
        assert len(mailjet.received) + len(resend.received) + in_doubt == mails, where(site)


# No time is promised here, and the machine may be busy.
PATIENCE = 300.0
# But for those that try whether it is over, from five seconds after it was let be.
TRIED = (
    "message_attempts AS a JOIN provider_health AS h ON h.provider = a.provider"
    " WHERE h.provider = 'mailjet' AND a.started_at < h.opened_at + interval '4 seconds'"
)
TAKEN_OVER = "messages WHERE provider = 'resend' AND status = 'sent'"


def fail(mailjet: MailjetSimulator, fault: str) -> None:
    """Let Mailjet fail until its faults are cleared."""
    if fault == "hang":
        mailjet.hang_next(60, times=100_000)
    else:
        mailjet.fail_next(int(fault), times=100_000)


def opened(metrics: str) -> bool:
    """Whether the gauge says that a provider is let be."""
    return any(line.startswith("singr_provider_open{") and line.endswith(" 1.0") for line in metrics.splitlines())


@full
@pytest.mark.timeout(600)
async def test_workers_killed_around_the_call_send_nothing_twice_and_flag_what_is_in_doubt(
    site: Site, mailjet: MailjetSimulator, twilio: TwilioSimulator
) -> None:
    """R2: 20 processes killed at any moment, with providers that keep no idempotency keys."""
    site.environ |= {**mailjet.environ, **twilio.environ, "AUTH_SECRET": AUTH_SECRET}
    chance, kills, number, put = random.Random(2), 20, 4, 0
    with site.run_worker("--processes", str(number), "--lease", "4") as worker:
        while kills > 0:
            until(lambda: len(worker.children()) == number, within=60, what="all processes are up")
            await put_messages(site, 200)
            put += 200
            time.sleep(chance.uniform(0, 0.5))
            for pid in worker.children():
                os.kill(pid, signal.SIGKILL)
                kills -= 1
        until(lambda: not site.count(UNDER_WAY), within=300, what=lambda: f"{where(site)} {site.jobs()}")
    numbers = Counter(item.message["To"] for item in twilio.received)
    assert (mailjet.duplicates, len(mailjet.received)) == ([], len({m.message["CustomID"] for m in mailjet.received}))
    assert max(numbers.values()) <= put // 200, "each number is written to once in each round"
    sent, unknown = site.count("messages WHERE status = 'sent'"), site.count(IN_DOUBT)
    assert sent + unknown == put, where(site)
    assert sent <= len(mailjet.received) + len(twilio.received) <= put
    assert unknown > 0, "no kill met a call: this has shown nothing"


UNDER_WAY = "messages WHERE status IN ('queued', 'dispatched')"
IN_DOUBT = "messages WHERE status = 'unknown' AND error ->> 'code' IN ('settling', 'outcome_unknown', 'worker_lost')"


async def put_messages(site: Site, number: int, *, after: int = 0) -> None:
    """Queue mails and SMS, half of each, to readers from this number on."""
    sealer, organization = Sealer(Secret(AUTH_SECRET)), UUID(str(ORGANIZATION))
    settings = DatabaseSettings(url=Secret(site.database_url))
    async with Database(settings, application_name="faults") as database, database.platform() as session:
        for position in range(after, after + number // 2):
            song = SongRequest(
                venue_name="Café", artist="Ada", title=f"Song {position}", link="https://singr.example/r"
            )
            mail = EmailRequest(to=EmailAddress(f"singer{position}@example.org"), message=song)
            await queue_email(session, mail, sealer=sealer, organization_id=organization)
            sms = SmsRequest(to=f"+1555555{position:04d}", message=PlainSms(text=f"Song {position}"))
            await queue_sms(session, sms, sealer=sealer, organization_id=organization)


def told(metrics: str) -> int:
    """How many providers the gauge says refuse our account."""
    return sum(line.startswith("singr_provider_refused{") and line.endswith(" 1.0") for line in metrics.splitlines())


def where(site: Site) -> str:
    """Where the messages stand, for the words of a test that waited in vain."""
    return str(site.sql("SELECT channel, status, error ->> 'code', count(*) FROM messages GROUP BY 1, 2, 3"))
