"""What routes of accounts promise: the refusals and limits that their words name are the ones that are met."""

from typing import Any

import httpx
import pytest
from api_identity import post
from api_visitor import Visitors
from sqlalchemy import text

from singr_api.operations.documentation.document import openapi_document
from singr_api.wiring.routes import policy_table
from singr_db import Database

PATHS: dict[str, Any] = openapi_document()["paths"]


async def test_last_factor_beside_a_short_password_stays_and_the_document_says_so(
    visitor: Visitors, world: Any, db: Database
) -> None:
    one = await visitor()
    await one.add_totp()
    async with db.platform() as session:
        statement = "UPDATE users SET password_needs_second_factor = true WHERE id = :id"
        await session.execute(text(statement), {"id": one.person.user_id})
    world.problem(await one.http.delete("/v1/me/second-factors/totp"), 409, "conflict")
    assert (await one.http.post("/v1/me/second-factors/email")).status_code == 201
    assert (await one.http.delete("/v1/me/second-factors/totp")).status_code == 204
    world.problem(await one.http.delete("/v1/me/second-factors/email"), 409, "conflict")


async def test_administrators_reset_nothing_of_their_own_and_the_document_says_so(
    client: Any, api_url: str, someone: Any, world: Any
) -> None:
    admin = await someone(platform="admin")
    path = f"/v1/users/{admin.user_id}/reset-second-factors"
    world.problem(await client(api_url, admin).post(path, headers=world.key()), 403, "not-allowed")


def test_verifying_an_address_documents_no_conflict_since_nothing_conflicts() -> None:
    assert "409" not in PATHS["/v1/auth/email/verify"]["post"]["responses"]


async def test_codes_for_a_new_address_are_tried_as_often_as_the_document_says(
    client: Any, api_url: str, someone: Any, world: Any
) -> None:
    path = "/v1/auth/email/change/confirm"
    caller = client(api_url, await someone())
    answers = [await caller.post(path, json={"code": "000000"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [400] * 10 + [429]
    world.problem(answers[-1], 429, "rate-limited")
    told = PATHS[path]["post"]["description"]
    assert "5 attempts for each code, 10 in 15 minutes and 20 per day for each person" in told
    assert "client address" not in told


def test_reserve_for_sign_in_links_is_promised_of_mails_alone() -> None:
    told = PATHS["/v1/auth/magic-link"]["post"]["description"]
    assert "for each requested address or number; for e-mail, with a reserve" in told


async def test_code_and_token_together_are_fields_that_exclude_each_other(
    client: Any, api_url: str, someone: Any, world: Any
) -> None:
    caller = client(api_url, await someone())
    for body in ({}, {"code": "000000", "token": "sec_"}):
        answer = await caller.post("/v1/auth/email/change/confirm", json=body)
        assert [one["code"] for one in world.problem(answer, 422, "invalid")["errors"]] == ["conflicting_fields"]


@pytest.mark.parametrize("path", ["/v1/auth/magic-link", "/v1/auth/password/forgot"])
async def test_number_is_one_however_it_is_written(api: httpx.AsyncClient, world: Any, path: str) -> None:
    spellings = ("+15555550177", "+1 555 555 0177", "+1 (555) 555-0177", "+1-555-555-0177", "+1(555)5550177")
    assert [(await post(api, path, phone=one)).status_code for one in spellings] == [202] * 5
    world.problem(await post(api, path, phone=spellings[0]), 429, "rate-limited")


async def test_number_that_an_account_may_have_is_one_that_links_go_to(
    visitor: Visitors, api: httpx.AsyncClient
) -> None:
    one = await visitor()
    for number in ("+1 (555) 555-0177", "+44 20 7946 0958"):
        assert (await one.http.put("/v1/me/phone", json={"phone": number})).status_code == 202
        for path in ("/v1/auth/magic-link", "/v1/auth/password/forgot"):
            assert (await post(api, path, phone=number)).status_code == 202


def test_routes_that_take_no_query_document_that_they_refuse_one() -> None:
    silent = [
        policy
        for policy in policy_table().policies
        if not policy.any_query and "422" not in PATHS[policy.path][policy.method.lower()]["responses"]
    ]
    assert silent == []


def test_reading_what_lies_in_a_store_documents_that_it_may_be_away() -> None:
    for path in ("/v1/branding/logos/{logo_id}", "/v1/unsubscribe/{token}", "/preferences/{token}"):
        assert "503" in PATHS[path]["get"]["responses"], path
