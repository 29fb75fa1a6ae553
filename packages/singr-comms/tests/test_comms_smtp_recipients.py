"""What a mail server answers about one recipient stops nobody else's mail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from comms_desk import SONG, Desk
from comms_smtp_script import DROP, SENDER, SILENCE, Script

from singr_comms import SmtpProvider
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError

TOO_LONG = "250-" + "x" * 40_000
LATER = "451 4.7.1 Greylisting in action, please come back later"
QUOTED = "451 could not verify recipient: mx.evil.example [203.0.113.9] said: 550 your account is suspended"
VICTIM = "reader@well.example"


class Office(Desk):
    """One sender before a mail server that follows a script; its messages' time passes with its own."""

    def __init__(self, bench: Any, time: VirtualClock, provider: SmtpProvider) -> None:
        super().__init__(bench, provider)
        self.time = time
        self.sender._health._clock = self.clock

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds=seconds)
        self.clock.now += seconds

    async def queue(self, to: str = VICTIM) -> UUID:
        message_id: UUID = await self.bench.queue(SONG, to=to)
        return message_id

    async def pauses(self) -> list[tuple[bool, float]]:
        rows = await self.sql("SELECT opened_at IS NOT NULL, pause FROM provider_health WHERE provider = 'smtp'")
        return [tuple(row) for row in rows]


@asynccontextmanager
async def office(bench: Any, clock: VirtualClock, script: Script, **limits: float) -> AsyncIterator[Office]:
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, **limits)
        one = Office(bench, clock, provider)
        try:
            yield one
        finally:
            await provider.close()


async def failing(one: Office, *domains: str) -> list[UUID]:
    """Messages to somebody at each of these, tried once."""
    messages = [await one.queue(f"person{number}@{domain}") for number, domain in enumerate(domains)]
    for message_id in messages:
        await one.held(message_id)
    return messages


DOMAINS = [f"evil{number}.example" for number in range(10)]


@pytest.mark.parametrize("answer", [LATER, QUOTED, "451 4.7.1 Try again later", "452 4.5.3 Too many recipients"])
async def test_later_to_a_dozen_recipients_stops_nobody_elses_mail(
    bench: Any, clock: VirtualClock, answer: str
) -> None:
    async with office(bench, clock, Script(recipients={"evil.example": answer})) as one:
        messages = await failing(one, *["evil.example"] * 12)
        assert {(await one.held(each, last=True)).code for each in messages} == {
            "smtp_451" if "451" in answer else "smtp_452"
        }
        await one.send(await one.queue())
        assert await one.pauses() == [(False, 0.0)]
        assert bench.metrics.provider_refused.labels("email", "smtp").value == 0


@pytest.mark.parametrize(
    "answer", [SILENCE, DROP, TOO_LONG, "nonsense"], ids=["silence", "drop", "too long", "nonsense"]
)
async def test_dozen_recipients_of_one_domain_that_nobody_answers_for_stop_nobody_elses_mail(
    bench: Any, clock: VirtualClock, answer: str
) -> None:
    script = Script(recipients={"evil.example": answer})
    async with office(bench, clock, script, timeout=0.2) as one:
        messages = await failing(one, *[f"host{number}.evil.example" for number in range(12)])
        for message_id in messages * 2:
            assert (await one.held(message_id, last=True)).code in {"timeout", "connection"}, "it waits by itself"
        one.advance(2)
        await one.send(await one.queue())
        assert await one.pauses() == [(False, 0.0)]


@pytest.mark.parametrize("answer", [DROP, "nonsense"])
@pytest.mark.parametrize("after", ["DATA", "."])
async def test_dozen_recipients_of_one_domain_whose_mail_is_cut_off_later_stop_nobody_elses(
    bench: Any, clock: VirtualClock, after: str, answer: str
) -> None:
    script = Script(**{after: answer})
    async with office(bench, clock, script) as one:
        await failing(one, *[f"host{number}.evil.example" for number in range(12)])
        del script.answers[after]
        script.answers["DATA"] = "354 go on"
        await one.send(await one.queue())
        assert await one.pauses() == [(False, 0.0)]


@pytest.mark.parametrize("after", ["DATA", "."])
async def test_ten_domains_whose_mail_is_cut_off_later_open_the_breaker(
    bench: Any, clock: VirtualClock, after: str
) -> None:
    async with office(bench, clock, Script(**{after: DROP})) as one:
        await failing(one, *DOMAINS)
        assert await one.pauses() == [(True, 5.0)]


async def test_ten_domains_that_nobody_answers_for_open_the_breaker_and_the_next_answer_closes_it(
    bench: Any, clock: VirtualClock
) -> None:
    async with office(bench, clock, Script(recipients={".example": DROP})) as one:
        await failing(one, *DOMAINS[:9])
        assert await one.pauses() == [(False, 0.0)]
        tenth = await one.held(await one.queue(f"jane@{DOMAINS[9]}"))
        assert (tenth.code, tenth.counts) == ("provider_failing", False)
        assert await one.pauses() == [(True, 5.0)]
        one.advance(6)
        await one.send(await one.queue("jane@well.test"))
        assert [is_open for is_open, _ in await one.pauses()] == [False]


async def test_domain_that_was_cut_off_before_counts_again_once_it_was_well_for_a_while(
    bench: Any, clock: VirtualClock
) -> None:
    async with office(bench, clock, Script(recipients={".example": DROP})) as one:
        await failing(one, *DOMAINS)
        one.advance(6)
        await one.send(await one.queue("jane@well.test"))
        for _ in range(3):
            await failing(one, *DOMAINS)
            assert [is_open for is_open, _ in await one.pauses()] == [False]
            one.advance(480)
        one.advance(900)
        await failing(one, *DOMAINS)
        assert [is_open for is_open, _ in await one.pauses()] == [True]


async def test_probe_for_a_domain_that_was_cut_off_before_tells_nothing(bench: Any, clock: VirtualClock) -> None:
    async with office(bench, clock, Script(recipients={".example": DROP})) as one:
        messages = await failing(one, *DOMAINS)
        for _ in range(3):
            one.advance(6)
            assert (await one.held(messages[0], last=True)).code == "connection", "this one waits for itself"
            assert await one.pauses() == [(True, 5.0)]
        one.advance(6)
        assert (await one.held(await one.queue("jane@other.example"))).code == "provider_failing"
        assert await one.pauses() == [(True, 10.0)], "a new domain tells that it fails still"


TO_ONE = ["421 4.7.0 Too many connections, try again later", "454 4.7.0 Temporary authentication failure"]


@pytest.mark.parametrize("answer", TO_ONE)
async def test_later_that_one_message_alone_is_told_is_waited_for_at_no_cost_in_attempts(
    bench: Any, clock: VirtualClock, answer: str
) -> None:
    script = Script(recipients={"slow.example": answer})
    async with office(bench, clock, script) as one:
        message_id = await one.queue("jane@slow.example")
        assert not (await one.held(message_id)).counts
        waits = []
        for _ in range(6):
            one.advance(40)
            await one.send(await one.queue())
            held = await one.held(message_id)
            waits.append((held.after, held.counts))
            one.advance(held.after)
        assert waits == [(after, False) for after in (30, 60, 120, 240, 480, 480)]
        assert bench.metrics.provider_refused.labels("email", "smtp").value == 0, "it holds nobody meanwhile"
        script.recipients.clear()
        await one.send(message_id)


async def test_later_that_one_message_alone_is_told_ends_it_once_it_is_of_no_use(
    bench: Any, clock: VirtualClock
) -> None:
    async with office(bench, clock, Script(recipients={"slow.example": TO_ONE[0]})) as one:
        message_id = await one.queue("jane@slow.example")
        await one.held(message_id)
        one.advance(40)
        await one.send(await one.queue())
        await one.held(message_id, last=True)
        one.advance(25 * 3600)
        with pytest.raises(PermanentError, match="expired"):
            await one.send(message_id, last=True)


async def test_busy_mail_server_is_said_to_say_later(bench: Any, clock: VirtualClock, lines: list[str]) -> None:
    async with office(bench, clock, Script(MAIL="421 4.3.2 too busy")) as one:
        waits = await one.held(await one.queue())
        assert waits.message == "it waits: the mail server answered 421: 4.3.2 too busy"
        assert (await one.held(await one.queue())).message == "it waits: smtp takes nothing from us for now"
    told = [line for line in lines if "provider smtp" in line]
    assert len(told) == 1
    assert "provider smtp says later: the mail server answered 421" in told[0]
    assert not any("refuses" in line for line in lines)


async def test_lost_connections_are_told_without_names_of_classes(bench: Any, clock: VirtualClock) -> None:
    async with office(bench, clock, Script(recipients={".example": DROP})) as one:
        [message_id] = await failing(one, "evil.example")
        assert "it waits: the connection was lost before" in (await one.held(message_id, last=True)).message
