"""What every answer has, whatever it says: headers, HEAD, OPTIONS, limits, and nothing internal."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from singr_api.http.address import address_reader
from singr_config.constants import RATE_LIMITS, RateLimit, RateLimits
from singr_config.testing import settings_for_tests
from singr_dev.clock import VirtualClock

PATHS = ["/health", "/schema", "/v1/jobs", "/nope"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_security_headers_and_a_request_id(standing_url: str, client: Any, path: str) -> None:
    answer = await client(standing_url).get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"]
    assert answer.headers["x-request-id"]


async def test_given_request_id_is_kept_and_a_bad_one_replaced(standing_url: str, client: Any) -> None:
    caller = client(standing_url)
    assert (await caller.get("/health", headers={"x-request-id": "abc-1"})).headers["x-request-id"] == "abc-1"
    made = (await caller.get("/health", headers={"x-request-id": "a b<script>"})).headers["x-request-id"]
    assert made.isalnum()


async def test_head_is_get_without_a_body(standing_url: str, client: Any) -> None:
    caller = client(standing_url)
    get, head = await caller.get("/health"), await caller.head("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/v1/jobs", "GET, HEAD, OPTIONS, POST"),
        ("/v1/jobs/x/cancel", "OPTIONS, POST"),
    ],
)
async def test_other_methods_are_405_with_those_allowed(
    standing_url: str, client: Any, world: Any, path: str, allowed: str
) -> None:
    answer = await client(standing_url).request("DELETE", path)
    world.problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


async def test_options_tells_the_methods(standing_url: str, client: Any) -> None:
    answer = await client(standing_url).options("/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert (await client(standing_url).options("/nope")).status_code == 404


async def test_unknown_address_is_404(standing_url: str, client: Any, world: Any) -> None:
    for path in ("/nope", "/v1", "/v1/jobs/a/b", "/%00", "/%ff", "/v1//jobs/../x"):
        world.problem(await client(standing_url).get(path), 404, "not-found")


async def test_limit_is_counted_told_and_kept(
    settings: Any, serve_app: Any, callers: Any, client: Any, world: Any
) -> None:
    limits = msgspec.structs.replace(settings.limits, requests_per_minute=5)
    async with serve_app(msgspec.structs.replace(settings, limits=limits)) as url:
        caller = client(url, callers.own)
        answers = [await caller.get("/v1/jobs") for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers[:5]] == [
            f"r={n}" for n in (4, 3, 2, 1, 0)
        ]
        assert answers[0].headers["ratelimit-policy"] == '"credential";q=5;w=60'
        world.problem(answers[-1], 429, "rate-limited")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await client(url, callers.other).get("/v1/jobs")).status_code == 200


async def test_people_are_limited_by_what_they_act_for(
    settings: Any, serve_app: Any, client: Any, someone: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (RATE_LIMITS.customer_api, RATE_LIMITS.admin_api) == (RateLimit(100, 60), RateLimit(200, 60))
    # So long a window that no place comes back meanwhile, however busy the machine is.
    few = RateLimits(customer_api=RateLimit(3, 3600), admin_api=RateLimit(5, 3600))
    monkeypatch.setattr("singr_api.admission.limits.RATE_LIMITS", few)
    owner, colleague, admin = (
        await someone(member="customer_owner"),
        await someone(member="customer_owner"),
        await someone(platform="admin"),
    )
    of = {"organization_id": str(world.organization)}
    async with serve_app(settings) as url:
        for person, named, quota in ((owner, "customer", 3), (colleague, "customer", 3), (admin, "admin", 5)):
            caller = client(url, person)
            answers = [await caller.get("/v1/jobs", params=of) for _ in range(quota + 1)]
            assert {answer.headers["ratelimit-policy"] for answer in answers} == {f'"{named}";q={quota};w=3600'}
            assert [answer.status_code for answer in answers] == [200] * quota + [429]
            world.problem(answers[-1], 429, "rate-limited")
            themselves = await caller.get("/v1/me")  # a person's own account is at hand all the same
            assert (themselves.status_code, themselves.headers["ratelimit-policy"]) == (200, '"credential";q=600;w=60')


async def test_tenant_is_limited_over_all_of_its_callers_and_refusals_use_nothing_up(
    settings: Any, serve_app: Any, callers: Any, client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_api.admission.limits.TENANT_SHARES", 2)
    limits = msgspec.structs.replace(settings.limits, requests_per_minute=4)
    async with serve_app(msgspec.structs.replace(settings, limits=limits)) as url:

        async def statuses(key: Any, times: int) -> list[int]:
            caller = client(url, key)
            return [(await caller.get("/v1/jobs")).status_code for _ in range(times)]

        assert await statuses(callers.own, 7) == [200] * 4 + [429] * 3
        assert await statuses(callers.api_key, 3) == [200] * 3
        assert await statuses(callers.reader, 1) == [200]
        refused = await client(url, callers.reader).get("/v1/jobs")
        assert "(tenant)" in world.problem(refused, 429, "rate-limited")["detail"]
        assert refused.headers["ratelimit-policy"] == '"tenant";q=8;w=60'
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert await statuses(callers.other, 4) == [200] * 4
        of = {"organization_id": str(world.organization)}
        assert (await client(url, callers.platform).get("/v1/jobs", params=of)).status_code == 200


async def test_failed_sign_ins_of_an_address_are_limited(api_url: str, client: Any, world: Any) -> None:
    caller = client(api_url, "sk_live_nope")
    answers = [await caller.get("/v1/jobs") for _ in range(61)]
    assert {answer.status_code for answer in answers[:60]} == {401}
    world.problem(answers[-1], 429, "rate-limited")


async def test_limits_are_open_and_the_api_works_while_redis_is_away(
    database_url: str, serve_app: Any, callers: Any, client: Any, world: Any, settings: Any
) -> None:
    nowhere = settings_for_tests(DATABASE_URL=database_url, REDIS_URL="redis://127.0.0.1:1/0")
    away = msgspec.structs.replace(settings, redis=nowhere.redis)
    async with serve_app(away) as url:
        caller = client(url, callers.own)
        created = await caller.post("/v1/jobs", json=world.sms(), headers=world.key())
        assert created.status_code == 202
        assert "ratelimit-policy" in created.headers
        assert "ratelimit" not in created.headers
        ready = await caller.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["checks"]["redis"]["status"] == "degraded"
        assert "Redis" in ready.json()["checks"]["redis"]["why"]


async def test_without_the_database_the_api_starts_says_so_and_answers_503(
    settings: Any, serve_app: Any, callers: Any, client: Any, world: Any
) -> None:
    nowhere = settings_for_tests(DATABASE_URL="postgresql://singr@127.0.0.1:1/none")
    away = msgspec.structs.replace(settings, database=nowhere.database)
    async with serve_app(away) as url:
        caller = client(url, callers.own)
        assert (await caller.get("/health")).status_code == 200
        ready = await caller.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.json()["checks"]["database"]["status"] == "down"
        answer = await caller.get("/v1/jobs")
        world.problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"]


async def test_fault_of_ours_is_500_and_tells_nothing(
    settings: Any, serve_app: Any, callers: Any, client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret: hunter2 in /etc/passwd")

    monkeypatch.setattr("singr_api.work.jobs.routes.list_jobs", broken)
    monkeypatch.setattr("singr_api.work.jobs.submit.JobSubmitter.submit", broken)
    async with serve_app(settings) as url:
        caller = client(url, callers.own)
        for answer in (
            await caller.get("/v1/jobs"),
            await caller.post("/v1/jobs", json=world.sms(), headers=world.key()),
        ):
            world.problem(answer, 500, "internal-error")
            assert "hunter2" not in answer.text


async def test_ready_names_each_dependency(standing_url: str, client: Any) -> None:
    checks = (await client(standing_url).get("/ready")).json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
    }
    assert all(check["latency_ms"] >= 0 for check in checks.values())


async def test_ready_says_that_a_provider_refuses_our_account(api_url: str, client: Any, db: Any) -> None:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO provider_refusals (channel, provider, code, message) VALUES ('sms', 'twilio', 'c', 'm')")
        )
    answer = await client(api_url).get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "twilio (sms)" in answer.json()["checks"]["providers"]["why"]


async def test_ready_forgets_a_refusal_that_no_worker_meets_any_more(
    clock: VirtualClock, api_url: str, client: Any, db: Any
) -> None:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO provider_refusals (channel, provider, code, message) VALUES ('sms', 'twilio', 'c', 'm')")
        )
    clock.advance(minutes=10)
    assert "providers" not in (await client(api_url).get("/ready")).json()["checks"]


async def test_metrics_are_labelled_by_route_and_served_apart_where_told(
    settings: Any, serve_app: Any, api_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(api_url, callers.own)
    job = (await caller.post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    await caller.get(f"/v1/jobs/{job['id']}")
    await caller.get("/nope/" + job["id"])
    text = (await client(api_url).get("/metrics")).text
    assert 'route="/v1/jobs/{job_id}"' in text
    assert 'route="/v1/jobs",status="202"' in text
    assert 'route="unmatched"' in text
    assert job["id"] not in text
    document = (await caller.get("/metrics/json")).json()
    assert document["idempotency"]["kept_hours"] == 48
    outcomes = document["metrics"]["singr_idempotency"]["values"]
    assert {one["labels"]["outcome"]: one["value"] for one in outcomes}["first"] == 1
    world.problem(await client(api_url, callers.reader).get("/metrics/json"), 403, "scope-missing")
    apart = msgspec.structs.replace(settings.app, metrics_port=9)
    async with serve_app(msgspec.structs.replace(settings, app=apart)) as url:
        world.problem(await client(url).get("/metrics"), 404, "not-found")


async def test_forwarded_address_is_believed_from_trusted_proxies_only() -> None:
    headers = {b"x-forwarded-for": b"6.6.6.6, 203.0.113.7, 10.0.0.2"}
    assert address_reader([])(("10.0.0.1", 1), headers) == "10.0.0.1"
    assert address_reader(["10.0.0.0/8"])(("10.0.0.1", 1), headers) == "203.0.113.7"
    assert address_reader(["10.0.0.0/8"])(("198.51.100.1", 1), headers) == "198.51.100.1"
    assert address_reader([])(("2001:db8::1", 1), {}) == "2001:db8::/64"
    assert address_reader([])(None, {}) == "local"
