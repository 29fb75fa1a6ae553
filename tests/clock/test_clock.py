"""Days pass in seconds: with a real API and a real worker that go by the test's clock."""

import asyncio

import httpx
from clock.clock_jobs import Patient
from clock.conftest import Turned
from people import new_key, token_in
from sites import until

from singr_config.testing import settings_for_tests
from singr_db import PLATFORM_ORGANIZATION_ID, Database
from singr_jobs import enqueue


def test_an_invitation_stands_for_seven_days_and_no_longer(turned: Turned) -> None:
    owner, early, late = turned.town.person(), turned.town.person(), turned.town.person()
    token = owner.signed_in()["access_token"]
    organization = turned.town.founded(token)
    tokens = []
    for guest in (early, late):
        assert turned.town.invite(token, organization, guest.email).status_code == 201
        tokens.append(token_in(turned.town.letters.last(guest.email, "invitation")["invitation_link"]))

    turned.clock.advance(days=6, hours=23)
    accepted = accept(turned, early.signed_in()["access_token"], tokens[0])
    assert accepted.status_code == 200, accepted.text
    turned.clock.advance(hours=2)
    refused = accept(turned, late.signed_in()["access_token"], tokens[1])
    assert refused.status_code == 400, refused.text


def accept(turned: Turned, access: str, token: str):  # type: ignore[no-untyped-def] # an httpx.Response
    return turned.town.client().send_json("/v1/invitations/accept", {"token": token}, token=access, headers=new_key())


def test_a_refresh_token_lives_for_a_week_from_its_last_use(turned: Turned) -> None:
    token = turned.town.person().signed_in()["refresh_token"]
    for _ in range(2):
        turned.clock.advance(days=6)
        token = turned.town.refreshed(token)
    turned.clock.advance(days=8)
    assert turned.town.refresh(token).status_code == 401


def test_a_used_refresh_token_ends_its_family_once_the_grace_is_over(turned: Turned) -> None:
    first = turned.town.person().signed_in()["refresh_token"]
    second = turned.town.refreshed(first)
    turned.clock.advance(minutes=5)
    assert turned.town.refresh(first).status_code == 401
    assert turned.town.refresh(second).status_code == 401


def test_an_idempotency_key_gives_the_same_answer_for_two_days(turned: Turned) -> None:
    founder, key = turned.town.person(), new_key()

    def found() -> str:
        answer = turned.town.client().send_json(
            "/v1/organizations", {"name": "Two days"}, token=founder.signed_in()["access_token"], headers=key
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    first = found()
    turned.clock.advance(hours=47)
    assert found() == first
    turned.clock.advance(hours=2)
    assert found() != first


def test_an_access_token_ends_after_a_quarter_of_an_hour(turned: Turned) -> None:
    token = turned.town.person().signed_in()["access_token"]
    turned.clock.advance(minutes=14)
    assert turned.town.client().read("/v1/me", token=token).status_code == 200
    turned.clock.advance(minutes=2)
    assert turned.town.client().read("/v1/me", token=token).status_code == 401


def test_an_address_that_asked_too_often_is_heard_again_when_it_is_told(turned: Turned) -> None:
    client = turned.town.client()

    def ask() -> httpx.Response:
        return client.send_json("/v1/auth/refresh", {"refresh_token": "srt_invented"})

    refused = next(answer for answer in (ask() for _ in range(60)) if answer.status_code == 429)
    turned.clock.advance(seconds=int(refused.headers["retry-after"]))
    assert ask().status_code == 401


def test_a_retry_waits_for_its_backoff_and_a_real_worker_takes_it_then(turned: Turned) -> None:
    asyncio.run(put(turned))
    for attempt in (1, 2):
        until(lambda tries=attempt: waiting(turned) == tries, within=20, what=f"attempt {attempt} failed")
        turned.clock.advance(hours=1 + attempt * 2)
    until(
        lambda: turned.site.count("jobs WHERE type = 'clock.patient' AND status = 'completed'"), within=20, what="done"
    )


async def put(turned: Turned) -> None:
    settings = settings_for_tests(DATABASE_URL=turned.site.database_url, REDIS_URL=turned.site.redis_url)
    async with Database(settings.database, application_name="clock") as db, db.platform() as session:
        await enqueue(session, Patient(), organization_id=PLATFORM_ORGANIZATION_ID)


def waiting(turned: Turned) -> int:
    """How many attempts of the job have failed, once it waits for the next."""
    rows = turned.site.sql(
        "SELECT attempt FROM jobs WHERE type = 'clock.patient' AND status = 'pending' AND run_at > now()"
    )
    return int(rows[0][0]) if rows else 0
