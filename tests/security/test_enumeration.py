"""S4 in full: how long answers take tells nothing about an account either."""

import random
import statistics
import time
from collections import defaultdict
from typing import Any

import pytest
from faults.harness import Site
from people import Client, Town

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

ROUNDS = 500
# Each account and address is asked as rarely as its limit wants it: so many of each kind are needed.
OF_A_KIND = 120


def crowd(town: Town) -> dict[str, list[str]]:
    """Addresses of each kind."""
    changes = {
        "known": "",
        "disabled": "status = 'disabled', disabled_at = now()",
        "password-less": "password_hash = NULL",
    }
    people = {kind: town.crowd(OF_A_KIND, change) for kind, change in changes.items()}
    assert people["known"][0].signed_in(), "the copies are whole"
    kinds = {kind: [person.email for person in of_a_kind] for kind, of_a_kind in people.items()}
    return kinds | {"unknown": [town.someone() for _ in range(OF_A_KIND)]}


def asked(town: Town, what: str, number: int, email: str) -> tuple[dict[str, Any], str]:
    """The body of one request, and the address it comes from."""
    body: dict[str, Any] = {"email": email}
    if what == "sign-in":
        body["password"] = f"wrong password {number}"
    if what == "register":
        body |= {"password": f"a new long password {number}", "name": "Ada", "account_type": "singer"}
    return body, f"198.{18 + number % 2}.{random.randrange(256)}.{random.randrange(256)}"


@pytest.mark.parametrize("what", ["sign-in", "password/forgot", "register", "magic-link"])
def test_answers_take_as_long_for_every_kind_of_account(site: Site, what):
    """Interleaved, so that whatever else the machine does falls on all alike; medians within 5 %, bodies the same."""
    seconds: dict[str, list[float]] = defaultdict(list)
    said: dict[str, set[str]] = defaultdict(set)
    with site.api() as api, Client(api.address) as client:
        town = Town(site, api.address)
        kinds = crowd(town)
        client.headers["connection"] = "keep-alive"
        for number in range(-10, ROUNDS):
            for kind in random.sample(list(kinds), len(kinds)):
                new = what == "register" and kind == "unknown"
                email = town.someone() if new else kinds[kind][number % OF_A_KIND]
                body, client.headers["x-forwarded-for"] = asked(town, what, number, email)
                began = time.perf_counter()
                answer = client.send_json(f"/v1/auth/{what}", body)
                elapsed = time.perf_counter() - began
                if answer.status_code == 429:
                    continue
                document = answer.json()
                document.pop("request_id", None)
                said[kind].add(repr((answer.status_code, document)))
                if number >= 0:
                    seconds[kind].append(elapsed)
    counts = {kind: len(times) for kind, times in seconds.items()}
    assert min(counts.values()) >= ROUNDS // 4, counts
    assert len({frozenset(words) for words in said.values()}) == 1, said
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    assert max(medians.values()) / min(medians.values()) < 1.05, medians
