"""Providers over HTTP: seen and forced by operators, and by nobody else."""

from typing import Any

import pytest
from sqlalchemy import text

from singr_db import Database


@pytest.fixture
async def operator(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(platform="admin"))


@pytest.fixture
async def mailjet(db: Database) -> None:
    """A provider that ten calls in a row failed at, and one that works."""
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO provider_health"
                " (channel, provider, failures, code, message, opened_at, probe_at, rate_count, rate_seconds, next_at)"
                " VALUES ('email', 'mailjet', 10, 'timeout', 'no answer', now(), now() + interval '5 seconds',"
                "         600, 60, now() + interval '1 hour'),"
                " ('email', 'resend', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
            )
        )


@pytest.mark.usefixtures("mailjet")
async def test_operators_see_who_fails_and_force_it_for_a_time(operator: Any, world: Any, db: Database) -> None:
    listed = (await operator.get("/v1/providers")).json()["items"]
    assert [(one["name"], one["state"], one["failures"]) for one in listed] == [
        ("mailjet", "open", 10),
        ("resend", "closed", 0),
    ]
    assert (listed[0]["rate"]["messages"], listed[0]["rate"]["seconds"], listed[1]["rate"]) == (600, 60, None)
    assert listed[0]["rate"]["next_at"] is not None
    assert listed[0]["failure"] == {"code": "timeout", "message": "no answer"}
    at = "/v1/providers/email/resend"
    body = {"state": "open", "minutes": 30, "reason": "It mends its queue."}
    answer = await operator.post(f"{at}/force", json=body, headers=world.key())
    told = answer.json()
    assert (answer.status_code, told["state"], told["forced"]["state"]) == (200, "open", "open"), answer.text
    assert (told["forced"]["reason"], told["forced"]["by"][:5]) == ("It mends its queue.", "user:")
    answer = await operator.post(f"{at}/release", headers=world.key())
    assert (answer.json()["state"], answer.json()["forced"]) == ("closed", None), answer.text
    async with db.platform() as session:
        lines = (await session.execute(text("SELECT kind, target, reason FROM operation_log ORDER BY id"))).all()
    assert [tuple(line) for line in lines] == [
        ("provider.force", "email/resend", "It mends its queue."),
        ("provider.release", "email/resend", None),
    ]


@pytest.mark.usefixtures("mailjet")
async def test_refusal_of_our_account_is_a_state_of_its_own(operator: Any, db: Database) -> None:
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO provider_refusals (channel, provider, code, message)"
                " VALUES ('email', 'resend', 'resend_http_401', 'a key that is wrong')"
            )
        )
    [_, resend] = (await operator.get("/v1/providers")).json()["items"]
    assert (resend["state"], resend["failure"]["code"]) == ("refusing", "resend_http_401")
    assert resend["refused_since"] is not None


@pytest.mark.usefixtures("mailjet")
@pytest.mark.parametrize(
    ("body", "field"),
    [({"state": "half"}, "state"), ({"state": "open", "minutes": 0}, "minutes"), ({"minutes": 5}, "state")],
)
async def test_bad_words_are_refused_by_field(operator: Any, world: Any, body: dict[str, Any], field: str) -> None:
    answer = await operator.post("/v1/providers/email/mailjet/force", json=body, headers=world.key())
    assert [one["field"] for one in world.problem(answer, 422, "invalid")["errors"]] == [field]


async def test_a_provider_that_nobody_calls_is_not_found(operator: Any, world: Any) -> None:
    answer = await operator.post("/v1/providers/email/pigeon/force", json={"state": "open"}, headers=world.key())
    assert world.problem(answer, 404, "not-found")["errors"][0]["field"] == "provider"


async def test_an_organization_sees_none(standing_url: str, client: Any, someone: Any, world: Any) -> None:
    owner = client(standing_url, await someone(member="customer_owner"))
    assert (await owner.get("/v1/providers")).status_code == 403
