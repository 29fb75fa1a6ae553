"""`singr doctor` finds what stands between a machine and the API."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from singr_cli.commands.doctor import skew
from singr_dev._serving import serving


def found(outcome: Any) -> dict[str, tuple[str, str]]:
    return {one["check"]: (one["state"], one["found"]) for one in outcome.items}


def test_all_is_well(singr: Any) -> None:
    outcome = singr("doctor")
    assert outcome.code == 0
    states = {name: state for name, (state, _) in found(outcome).items()}
    assert states.pop("clock") in {"ok", "warn"}  # the API of these tests tells the time of its start
    # For no organization's credential.
    operators = {"read limits", "read operation log", "read queues", "read standing work", "read workers"}
    assert {states[name] for name in states.keys() - operators} == {"ok"}, outcome.out
    assert {"address", "TLS", "ready", "read jobs", "read schedules"} <= set(states)


def test_what_the_credential_may_not_read_is_named(singr: Any, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGR_API_KEY", keys.reader)
    outcome = singr("doctor")
    told = found(outcome)
    assert (outcome.code, told["read jobs"][0], told["read schedules"][0]) == (0, "ok", "warn")
    assert "schedules:read" in told["read schedules"][1]


def test_a_key_of_the_platform_that_says_for_nobody_is_warned_of_nothing(
    singr: Any, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SINGR_API_KEY")
    monkeypatch.setenv("SINGR_KEY", keys.key_id)
    monkeypatch.setenv("SINGR_SECRET", keys.secret)
    told = found(singr("doctor"))
    reads = {name: one for name, one in told.items() if name.startswith("read ")}
    assert {state for state, _ in reads.values()} == {"ok"}, reads
    assert "--organization or SINGR_ORGANIZATION" in reads["read deliveries"][1]
    assert not any("organization_id" in said for _, said in told.values())
    monkeypatch.setenv("SINGR_ORGANIZATION", "01920000-0000-7000-8000-0000000000a1")
    assert found(singr("doctor"))["read deliveries"] == ("ok", "allowed")


def test_where_the_api_is_not_ready_nothing_is_asked_that_it_cannot_answer(
    bare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        asked.append(request.url.path)
        return JSONResponse({"status": "unavailable", "checks": {"database": {"why": "PostgreSQL is away."}}}, 503)

    monkeypatch.setattr("singr_cli._http.time.sleep", lambda _: None)
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_secret")
    with serving(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        monkeypatch.setenv("SINGR_URL", url)
        outcome = bare("doctor")
    assert (outcome.code, found(outcome)["ready"]) == (5, ("fail", "unavailable; database: PostgreSQL is away."))
    assert set(asked) == {"/ready", "/health"}


def test_a_refused_credential_is_told(singr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_" + "x" * 40)
    outcome = singr("doctor")
    assert (outcome.code, found(outcome)["credential"][0]) == (3, "fail")
    assert "x" * 40 not in outcome.out


def test_an_address_where_nobody_is_is_told(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGR_URL", "http://127.0.0.1:9")
    outcome = bare("doctor")
    assert (outcome.code, found(outcome)["address"][0]) == (5, "fail")


@pytest.mark.parametrize(
    ("now", "signs", "finding"),
    [
        (10, True, ("ok", "as the API's")),
        (301, False, ("warn", "0:05:01 ahead of the API's: set it")),
        (-301, True, ("fail", "0:05:01 behind the API's: set it")),
    ],
)
def test_a_clock_that_is_wrong_is_told(now: float, *, signs: bool, finding: tuple[str, str]) -> None:
    assert skew("Thu, 01 Jan 1970 00:00:00 GMT", now, signs=signs) == finding


def test_an_api_that_tells_no_time_is_told() -> None:
    assert skew("noon", 0, signs=True)[0] == "warn"
