"""Everything is killed at random under load, and every message has the end that its providers know of: row R35."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from faults.harness import API_KEY, ORGANIZATION, Process, Site, until
from faults.test_faults_providers import AUTH_SECRET, where
from faults.test_faults_stores import ingest, whole
from providers_apart import Apart, kept_ports

from singr_comms.catalogue import message_types

CHANNELS = ("email", "sms", "push")
LINK = "https://singr.example/requests"
# By each channel one kind that may be repeated where it was perhaps sent, and one that may not.
SONG = {"kind": "song_request", "venue_name": "The Anchor", "artist": "ABBA", "title": "Waterloo", "link": LINK}
NOTICE = {"kind": "security_notice", "user_name": "Ada", "event": "new_device", "link": LINK}
NOTICE |= {"occurred_at": "22 November 2026, 18:05 UTC"}
CODE = {"kind": "two_factor_code", "code": "735104", "expiry_minutes": 60}

# Whoever is to send it has not done so, or may yet find out whether it was sent.
_OPEN = "messages AS m JOIN jobs AS j ON j.id = m.job_id WHERE j.status IN ('pending', 'processing')"
WITHOUT_END = (
    "messages AS m LEFT JOIN jobs AS j ON j.id = m.job_id WHERE m.status IN ('queued', 'dispatched')"
    # A failed one as well whose job somebody tries again.
    " OR (m.status IN ('unknown', 'failed') AND j.status NOT IN ('completed', 'failed', 'cancelled'))"
)
# What became of a message, and why.
_STORY = """SELECT j.status, j.error, m.error, array_agg((a.status, a.provider, a.error) ORDER BY a.started_at)
  FROM messages AS m JOIN jobs AS j ON j.id = m.job_id LEFT JOIN message_attempts AS a ON a.message_id = m.id
 WHERE m.job_id = %s GROUP BY j.id, m.id"""
# A provider has it in hand.
CALLED = "message_attempts WHERE status = 'dispatched' AND now() - started_at BETWEEN '0.1 s' AND '0.4 s'"
# It waits for its provider's own word, ten minutes.
SETTLING = f"{_OPEN} AND m.status = 'unknown' AND j.run_at > now() + interval '1 minute'"


def request(key: str) -> dict[str, object]:
    """What the caller with this key asks for: of each number a message to a recipient of its own."""
    number = int(key.partition("-")[0])
    channel, repeats = CHANNELS[number % 3], number // 3 % 2
    message: Mapping[str, object] = {
        "email": (SONG, NOTICE)[repeats],
        "sms": ({"kind": "plain", "text": f"You are number {number}."}, CODE)[repeats],
        "push": {"kind": "plain", "title": "You are next", "text": f"You are number {number}."},
    }[channel]
    to: object = {"email": {"email": address(number)}, "sms": phone(number), "push": device(number)}[channel]
    return {
        "type": f"{channel}.send",
        "organization_id": str(ORGANIZATION),
        "payload": {"to": to, "message": message},
    }


def address(number: int) -> str:
    return f"singer{number}@example.org"


def phone(number: int) -> str:
    return f"+1555555{number // 3:04}"


def device(number: int) -> str:
    return f"device-{number:08}"


class Parts:
    """All that a site consists of, its providers included; each is killed with `kill -9` and started again."""

    def __init__(self, site: Site, apart: Apart, chance: random.Random, *, workers: int = 1) -> None:
        self.site = site
        self.killed: dict[str, int] = {}
        self._apart = apart
        self._chance = chance
        self._processes: dict[str, Process] = {}
        self._stack = contextlib.ExitStack()
        self._workers = ["worker", *(f"worker {number}" for number in range(2, workers + 1))]
        servers = site.servers
        self._all: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "PostgreSQL": (lambda: servers.postgres.kill(signal.SIGKILL), servers.postgres.start),
            "Redis": (servers.valkey.kill, servers.valkey.start),
            "API": (lambda: self._kill("API"), self._start_api),
            **{name: (partial(self._kill, name), partial(self._start_worker, name)) for name in self._workers},
            "process of the worker": (self._kill_a_child, lambda: None),
            "providers": (lambda: self._kill("providers"), self._start_providers),
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """All of it, until the block ends."""
        with self._stack:
            self._start_providers()
            self._start_api()
            for name in self._workers:
                self._start_worker(name)
            for name in ("API", *self._workers):
                self._processes[name].wait_until_healthy()
            yield

    def kill_some(self) -> None:
        """One or two of them, those first that had no turn yet; they are back at once, or a moment later."""
        names = list(self._all)
        self._chance.shuffle(names)
        names.sort(key=lambda name: name in self.killed)
        # A worker falls after its process, which would have fallen with it.
        fallen = sorted(names[: self._chance.choice((1, 1, 2))], key=lambda name: name in self._workers)
        for name in fallen:
            self._all[name][0]()
            self.killed[name] = self.killed.get(name, 0) + 1
        time.sleep(self._chance.choice((0.0, 0.3, 1.0)))
        for name in fallen:
            self._all[name][1]()

    def kill_in_a_call(self) -> None:
        """The providers, with a message in hand."""
        until(lambda: self.site.count(CALLED) > 0, within=120, what=lambda: f"a call: {where(self.site)}")
        self._kill("providers")
        self._start_providers()

    def _kill(self, name: str) -> None:
        popen = self._processes[name].popen
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait(20)

    def _kill_a_child(self) -> None:
        worker = self._processes[self._chance.choice(self._workers)]
        worker.wait_until_healthy()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._chance.choice(worker.children()), signal.SIGKILL)

    def _start_api(self) -> None:
        self._processes["API"] = self._stack.enter_context(self.site.run("singr_api", "serve"))

    def _start_worker(self, name: str) -> None:
        arguments = ("run", "--processes", "2", "--lease", "4")
        self._processes[name] = self._stack.enter_context(self.site.run("singr_worker", *arguments))

    def _start_providers(self) -> None:
        self._processes["providers"] = self._stack.enter_context(
            self.site.run("providers_apart", *self._apart.arguments)
        )


@pytest.mark.parametrize(
    ("messages", "rounds", "seconds"),
    [(240, 12, 10.0), pytest.param(10_000, 250, 600.0, marks=[pytest.mark.full, pytest.mark.timeout(2400)])],
)
def test_everything_killed_at_random_loses_no_message_doubles_none_and_leaves_none_without_an_end(
    site: Site, tmp_path: Path, messages: int, rounds: int, seconds: float
) -> None:
    """R35: API, worker, its processes, both stores and the providers; what these took is the truth."""
    keys = [f"{number}-{uuid4().hex}" for number in range(messages)]
    batches = [keys[first::rounds] for first in range(rounds)]
    with kept_ports(4) as (port, *ports):
        apart = Apart(tmp_path, (ports[0], ports[1], ports[2]))
        site.environ |= {**apart.environ, "AUTH_SECRET": AUTH_SECRET, "SMS_PREFIX_LIMIT_MAX": "1000000"}
        site.environ["PORT"] = str(port)
        parts, api = Parts(site, apart, random.Random(35)), f"http://127.0.0.1:{port}"
        with parts.running(), ThreadPoolExecutor(1) as beside:
            accepted = under_kills(parts, [partial(call, api, one) for one in batches], seconds, beside)
            quiet(site)
            whole(site, accepted)
            assert site.count("message_attempts WHERE status = 'unknown'") > 0, "no kill met a call"
            ask_now(site, api)
            quiet(site)
        judge(site, apart, {UUID(job_id): int(key.partition("-")[0]) for key, job_id in accepted.items()})
    assert site.count(WITHOUT_END) == site.count("message_attempts WHERE status = 'dispatched'") == 0, where(site)
    assert len(parts.killed) == 6, parts.killed


def call(api: str, keys: list[str]) -> dict[str, str]:
    """Ask for a message with each key until it is accepted; gives the job of each."""
    return asyncio.run(ingest(api, keys, patience=180.0, body=request))


def under_kills(
    parts: Parts, calls: Sequence[Callable[[], dict[str, str]]], seconds: float, beside: ThreadPoolExecutor
) -> dict[str, str]:
    """Make these calls one after another, evenly over that time, and kill something after each has begun.

    Chance may meet no message on its way; the last kill does.
    """
    began, calling = time.monotonic(), []
    for number, one in enumerate(calls):
        calling.append(beside.submit(one))
        time.sleep(max(0.3, began + seconds * number / len(calls) - time.monotonic()))
        # In the main thread: a server lives no longer than the thread that started it.
        kill = parts.kill_in_a_call if one is calls[-1] else parts.kill_some
        kill()
    return {key: job_id for one in calling for key, job_id in one.result().items()}


def quiet(site: Site) -> None:
    """Wait until nothing more happens by itself; what waits has pauses of up to ten minutes."""
    while not is_over(site):
        tries = site.count("message_attempts")
        until(
            lambda tries=tries: is_over(site) or site.count("message_attempts") > tries,
            within=660,
            what=lambda: f"another try, or nothing to send any more: {where(site)} {site.jobs()}",
        )


def is_over(site: Site) -> bool:
    """Whether all have their ends, but for those that wait for their provider's own word."""
    return site.count(WITHOUT_END) == site.count(SETTLING)


def ask_now(site: Site, api: str) -> None:
    """Let the ten minutes pass in which a provider's own word is waited for, and try anew what has failed."""
    site.sql("UPDATE message_attempts SET started_at = started_at - interval '10 minutes' WHERE status = 'unknown'")
    asked = [(job_id, "run-now") for (job_id,) in site.sql(f"SELECT j.id FROM {SETTLING}")]
    asked += [(job_id, "retry") for (job_id,) in site.sql("SELECT job_id FROM messages WHERE status = 'failed'")]
    headers, ours = {"x-api-key": API_KEY}, {"organization_id": str(ORGANIZATION)}
    with httpx.Client(base_url=api, headers=headers, params=ours, timeout=15.0, trust_env=False) as client:
        for job_id, what in asked:
            answer = client.post(f"/v1/jobs/{job_id}/{what}", headers={"idempotency-key": str(job_id)})
            assert answer.is_success, answer.text


def judge(site: Site, apart: Apart, numbers: Mapping[UUID, int]) -> None:
    """Compare what the ledger says of each message that has a provider with what the providers took."""
    took = by_number(apart)
    rows = site.sql(
        "SELECT m.job_id, m.channel, m.kind, m.status, count(*) FILTER (WHERE a.status = 'unknown'),"
        " count(*) FILTER (WHERE a.status = 'sent')"
        " FROM messages AS m LEFT JOIN message_attempts AS a ON a.message_id = m.id WHERE m.channel <> 'inbox'"
        " GROUP BY m.id"
    )
    wrong: list[tuple[Any, ...]] = []
    for job_id, channel, kind, status, unknown, sent in rows:
        copies = took[channel, numbers[job_id]]
        may_repeat = channel == "push" or message_types.when_unknown(kind) == "repeat"
        has_its_end = {
            "sent": sent and copies,
            "unknown": unknown,  # left to people, who are told
            "failed": message_types.carries_code(kind) and not copies,  # whoever waited has asked for another
        }.get(status)
        is_once = len(copies) <= 1 or (may_repeat and len(copies) <= sent + unknown)
        is_one_for_readers = channel != "push" or len(set(copies)) <= 1  # a copy takes the place of the first
        if not (has_its_end and is_once and is_one_for_readers):
            counts = f"{sent} sent, {unknown} unknown, taken {len(copies)} times"
            wrong.append((channel, kind, status, counts, site.sql(_STORY, [job_id])))
    assert wrong == []
    assert len(rows) == len(numbers)
    assert sum(map(bool, took.values())) <= len(numbers), "providers took what nobody asked for"


def by_number(apart: Apart) -> Mapping[tuple[str, int], Sequence[str]]:
    """What the providers took of each message: the copy's own mark, by channel and number."""
    took: dict[tuple[str, int], list[str]] = defaultdict(list)
    mails, texts, pushes = apart.taken()
    for one in mails:
        number = int(one.message["To"][0]["Email"].partition("@")[0].removeprefix("singer"))
        took["email", number].append(one.message["CustomID"])
    for one in texts:
        number = 3 * int(one.message["To"].removeprefix("+1555555")) + 1
        took["sms", number].append(one.id)
    for one in pushes:
        number = int(one.message["token"].removeprefix("device-"))
        took["push", number].append(one.message["android"]["notification"]["tag"])
    return took
