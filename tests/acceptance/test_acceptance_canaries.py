"""S12: what is secret or personal goes to the provider and nowhere else, whatever goes wrong on the way."""

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from sites import until

from acceptance.conftest import Start
from acceptance.sweep import RedisTap, places
from acceptance.system import ENDED, Caller, System, plain, song
from singr_auth import SigningKey
from singr_config import Secret
from singr_db import new_id
from singr_dev.testing import SharedServers
from singr_observability.testing import CollectorStub

pytestmark = pytest.mark.xdist_group("acceptance-canaries")

SIGNING_SECRET, API_KEY, AUTH_SECRET = (f"canary{name}{secrets.token_hex(16)}" for name in ("sign", "key", "auth"))
ENVIRON = {"SIGNING_SECRET": SIGNING_SECRET, "X_API_KEY": API_KEY, "AUTH_SECRET": AUTH_SECRET}


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorStub]:
    with CollectorStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def system(start: Start, shared_servers: SharedServers, collector: CollectorStub) -> Iterator[System]:
    """One of its own: its secrets are canaries, and sends that it left hanging end in nobody's test."""
    with start("canaries", shared_servers.valkey.url(63), collector, **ENVIRON) as system:
        yield system


class Canaries:
    """Words that are nowhere else in the world; each remembers what it stands for."""

    def __init__(self) -> None:
        self.words = {SIGNING_SECRET: "SIGNING_SECRET", API_KEY: "X_API_KEY", AUTH_SECRET: "AUTH_SECRET"}

    def word(self, meaning: str) -> str:
        return self._keep(f"canary{secrets.token_hex(8)}", meaning)

    def code(self, meaning: str) -> str:
        return self._keep(f"Q{secrets.token_hex(4).upper()}Q", meaning)

    def number(self, meaning: str) -> str:
        return "+" + self._keep(f"1555{secrets.randbelow(10**7):07d}", meaning)

    def address(self, meaning: str) -> str:
        return f"{self.word(meaning)}@example.org"

    def link(self, meaning: str) -> str:
        return f"https://singr.app/?token={self.word(meaning)}"

    def _keep(self, word: str, meaning: str) -> str:
        self.words[word] = meaning
        return word


def emails(canaries: Canaries) -> list[dict[str, Any]]:
    verification = {
        "kind": "verification",
        "user_name": canaries.word("user name"),
        "verification_link": canaries.link("verification link"),
        "verification_code": canaries.code("verification code"),
        "expiry_hours": 24,
    }
    magic = {
        "kind": "magic_link",
        "user_email": canaries.address("user e-mail in a message"),
        "magic_link": canaries.link("magic link"),
        "expiry_minutes": 15,
        "ip_address": "203.0.113.7",
    }
    return [verification, magic, song(singer_name=canaries.word("singer"), link=canaries.link("request link"))]


def texts(canaries: Canaries) -> list[dict[str, Any]]:
    return [
        {"kind": "verification_code", "code": canaries.code("SMS code"), "expiry_minutes": 5},
        {"kind": "magic_link", "magic_link": canaries.link("SMS magic link"), "expiry_minutes": 15},
        plain(f"Your word is {canaries.word('SMS text')}"),
    ]


def send_all(caller: Caller, canaries: Canaries, *, how: str) -> list[httpx.Response]:
    """One of each message, to recipients nobody else has."""
    answers = []
    for message in emails(canaries):
        to = {"email": canaries.address(f"address, {how}"), "name": canaries.word(f"name, {how}")}
        answers.append(caller.post("email.send", {"to": to, "message": message}, timeout=5, attempts=2))
    for message in texts(canaries):
        to_number = canaries.number(f"number, {how}")
        answers.append(caller.post("sms.send", {"to": to_number, "message": message}, timeout=5, attempts=2))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    return answers


def send_broken(caller: Caller, canaries: Canaries) -> list[httpx.Response]:
    """Requests that are refused, each with something secret where it is looked at."""
    to, http = canaries.address("address in a refused request"), caller.http
    headers = {"idempotency-key": str(new_id()), "content-type": "application/json"}
    anonymous = httpx.Client(base_url=http.base_url, timeout=20, trust_env=False)
    stranger = SigningKey(caller.key.key_id, Secret(canaries.word("wrong signing secret") + "-" * 32))
    with anonymous, httpx.Client(base_url=http.base_url, timeout=20, trust_env=False) as other:
        wrong = Caller(str(http.base_url), caller.organization_id, stranger)
        answers = [
            caller.post("email.send", {"to": {"email": f"{canaries.word('bad address')} at home"}, "message": song()}),
            caller.post(
                "email.send", {"to": {"email": to}, "message": song(singer_name=[canaries.word("wrong type")])}
            ),
            caller.post("sms.send", {"to": canaries.word("no number"), "message": plain()}),
            caller.post(
                "sms.send", {"to": canaries.number("number of a refused SMS"), "message": {"kind": "nonsense"}}
            ),
            caller.post("email.send", {"to": {"email": to}}, unique_key="\n" + canaries.word("bad option")),
            http.post("/v1/jobs", content=f'{{"payload": "{canaries.word("broken JSON")}', headers=headers),
            http.get("/v1/deliveries", params={"recipient": canaries.address("address in a query")}),
            http.post(
                "/v1/deliveries/explain",
                json={"channel": "email", "address": canaries.address("address asked about"), "type": "song_request"},
            ),
            http.post(
                "/v1/deliveries/explain",
                json={"channel": "sms", "address": canaries.number("number asked about"), "type": "nonsense"},
            ),
            http.get("/v1/deliveries", params={"status": canaries.word("bad query value")}),
            http.get("/v1/jobs", headers={"cookie": f"session={canaries.word('cookie')}"}),
            wrong.post("email.send", {"to": {"email": to}, "message": song()}),
            anonymous.get("/v1/jobs", headers={"x-api-key": f"sk_live_{canaries.word('wrong API key')}"}),
            anonymous.get("/v1/jobs", headers={"authorization": f"Bearer {canaries.word('bearer token')}"}),
            other.get(
                "/v1/jobs", params={"organization_id": str(caller.organization_id)}, headers={"x-api-key": API_KEY}
            ),
        ]
        wrong.http.close()
    return answers


def test_canary_is_seen_by_the_provider_only(system: System, collector: CollectorStub) -> None:
    canaries, tap = Canaries(), RedisTap(system.site.redis_url)
    own = system.caller()
    canaries.words[own.key.secret.reveal()] = "the signing secret of a credential"
    built_in = system.called_with(SigningKey("env", Secret(SIGNING_SECRET)), own.organization_id)
    control = f"control-{secrets.token_hex(8)}"
    with tap.open():
        answers = send_all(own, canaries, how="at rest")
        follow(own, answers)
        faults: dict[str, Callable[[Any], None]] = {
            "provider answers 500": lambda simulator: simulator.fail_next(500, times=20),
            "connection cut": lambda simulator: simulator.accept_then_drop_next(times=20),
            "provider hangs": lambda simulator: simulator.hang_next(30, times=20),
        }
        for how, plan in faults.items():
            plan(system.mailjet)
            plan(system.twilio)
            sent = send_all(own, canaries, how=how)
            follow(own, sent)
            answers += sent
            for simulator in (system.mailjet, system.twilio):
                simulator.faults.clear()
        refused = own.post("sms.send", {"to": "+15005550001", "message": plain()})  # Twilio's words name the number
        canaries.words["15005550001"] = "a number that the provider names in its refusal"
        known = built_in.post(
            "email.send",
            {"to": {"email": canaries.address("address")}, "message": song()},
            headers={"x-request-id": control},
        )
        follow(own, [refused, known])
        answers += [refused, known, *send_broken(own, canaries)]
        answers += [own.http.get("/v1/jobs"), own.http.get("/v1/deliveries"), system.api.get("/metrics")]
    assert system.mailjet.received
    assert system.twilio.received
    until(lambda: control in system.worker.log.read_text(), within=5, what="the worker's log is written")
    until(lambda: control.encode() in collector.received or len(collector.spans) > 40, within=15, what="traces came")
    swept = places(system, tap, answers, collector.received)
    # The sweep reads what it should: these are there, in the same places.
    assert control in swept["the API's log"]
    assert "singr:wake" in swept["Redis"], "work is told there"
    assert any(control in text for place, text in swept.items() if place.startswith("table jobs"))
    assert any(control in text for place, text in swept.items() if place.startswith("table messages"))
    found = {
        (meaning, place) for word, meaning in canaries.words.items() for place, text in swept.items() if word in text
    }
    assert found == set()


def follow(caller: Caller, answers: list[httpx.Response]) -> None:
    for answer in answers:
        assert answer.status_code == 202, answer.text
        until(partial(over, caller, answer.json()), within=45, what="its job has ended, or waits in doubt")


def over(caller: Caller, job: dict[str, Any]) -> bool:
    """Whether a job has ended, or its message waits for the provider's word of it."""
    now = caller.job(job["id"])["status"]
    return now in ENDED or (now == "pending" and caller.delivery(job)["status"] == "unknown")
