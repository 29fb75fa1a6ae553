"""What memory explains is what the database explains, of everybody, by each way; and what both decide."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from comms_both import Both
from test_comms_explain_people import explainer
from test_comms_memory import ADA, ORGANIZATION, SEALER, SMS, START, put
from test_comms_memory_as_database import NAMES, _choose, both  # noqa: F401 - a fixture

from singr_comms.notifications import Explainer, QuestionError
from singr_comms.notifying import Target, explain, notify
from singr_comms.people import FrequencyChoice
from singr_comms.testing import MemoryNotifications
from singr_config import LimitSettings

WAYS = ["email", "sms", "push", "inbox", "fax"]


async def told(session: Any, what: str, channel: str, **options: Any) -> Any:
    try:
        found = await explain(session, what, channel, **options)
    except QuestionError as error:
        return error.faults
    reasons = [(one.code, one.in_words, one.rule, one.decides, one.until) for one in found.reasons]
    return found.outcome, found.in_words, found.recipient, found.rule, found.provider, reasons


async def compared(both: Both, ask: Explainer, **whom: Any) -> set[str]:  # noqa: F811 - the fixture
    """Ask both of somebody, by all ways, of one moment: their clocks differ; returns the outcomes."""
    outcomes, whom = set(), whom | {"at": both.outbox.now + timedelta(minutes=1)}
    for what, channel in itertools.product(("plain", "song_request", "campaign", "welcome", "none"), WAYS):
        async with both.outbox.tenant(both.crowd.organization) as session:
            here = await told(session, what, channel, **whom)
        async with both.crowd.db.tenant(both.crowd.organization) as session:
            there = await told(session, what, channel, explainer=ask, **whom)
        assert here == there, (whom, what, channel)
        outcomes.add(here[0] if isinstance(here[0], str) else "wrong")
    return outcomes


async def test_everybody_is_told_the_same_in_memory_and_in_a_database(both: Both) -> None:  # noqa: F811 - the fixture
    outcomes: set[str] = set()
    ask = explainer(both.crowd)
    asked: list[dict[str, Any]] = [{"recipient": name} for name in (*NAMES, "nobody")]
    asked += [{"address": "bob@example.org"}, {"address": "+15555550177"}, {}, {"recipient": "ada", "address": "x"}]
    for whom in asked:
        outcomes |= await compared(both, ask, **whom)
    assert outcomes == {"sent", "stopped", "waits", "refused", "wrong"}
    # Fay sleeps for a week, and wants it weekly: what is kept for a digest is dropped at no hour.
    weekly = FrequencyChoice(scope="all", frequency="weekly")
    await both.do(lambda session: _choose(session, "fay", [], [weekly]))
    await compared(both, ask, recipient="fay")
    async with both.outbox.tenant(both.crowd.organization) as session:
        found = await explain(session, "campaign", "email", recipient="fay")
    assert (found.outcome, [one.code for one in found.reasons]) == ("waits", ["digested"])


async def test_a_database_is_not_asked_without_an_explainer(both: Both) -> None:  # noqa: F811 - the fixture
    async with both.crowd.db.tenant(both.crowd.organization) as session:
        with pytest.raises(TypeError, match="explainer is needed"):
            await explain(session, "plain", "email", recipient="ada")


async def test_limits_are_looked_at_and_not_counted() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(sms_per_hour=1))
    await put(outbox, ada=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        for _ in range(3):
            assert (await explain(session, "plain", "sms", recipient="ada")).outcome == "sent"
        await notify(session, SMS, Target(recipient="ada"), sealer=SEALER)
    async with outbox.tenant(ORGANIZATION) as session:
        found = await explain(session, "plain", "sms", recipient="ada")
        later = await explain(session, "plain", "sms", recipient="ada", at=START + timedelta(hours=1))
    [reason] = found.reasons
    assert (found.outcome, reason.code, reason.until) == ("stopped", "recipient_limit", START + timedelta(hours=1))
    assert later.outcome == "sent"
