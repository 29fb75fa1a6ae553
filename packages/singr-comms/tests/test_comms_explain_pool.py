"""Explaining takes one connection for sessions: as many as there are may explain at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from comms_crowds import Crowd
from msgspec.structs import replace

from singr_comms.notifications import Explainer, SendingQuestion
from singr_comms.notifying import explain
from singr_config import DatabaseSettings, LimitSettings, Settings
from singr_db import Database

LINE_UPS: dict[str, Any] = {"email": ["first"], "sms": ["memory"], "push": ["memory"]}
RATE = LimitSettings(sms_per_prefix=5, providers=(("memory", 1, 60),))


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with somebody in it."""
    crowd = await Crowd.of(bench)
    await crowd.add("u-1")
    return crowd


@pytest.fixture
async def small(settings: Settings) -> AsyncIterator[Database]:
    """A database with one connection for sessions."""
    given: DatabaseSettings = replace(settings.database, pool_size=1)
    async with Database(given, application_name="singr-tests-small") as db:
        yield db


async def test_who_explains_waits_for_no_second_session(crowd: Crowd, small: Database) -> None:
    explainer = Explainer(small, crowd.sealer, limits=RATE, **LINE_UPS)
    async with asyncio.timeout(5), small.tenant(crowd.organization) as session:
        told = await explain(session, "plain", "sms", explainer=explainer, recipient="u-1")
    assert told.provider == "memory"


async def test_who_explains_an_address_waits_for_no_second_session(crowd: Crowd, small: Database) -> None:
    explainer = Explainer(small, crowd.sealer, limits=RATE, **LINE_UPS)
    question = SendingQuestion(channel="sms", recipient="+15555550177", kind="plain")
    async with asyncio.timeout(5):
        told = await explainer.explain(crowd.organization, question)
    assert told.provider == "memory"
