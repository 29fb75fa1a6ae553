"""What attacks on accounts have in common: many at the same moment, codes, and somebody who runs the platform."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from people import Town

NEW_PASSWORD = "quite another road to the microphone"


def at_once(number: int, work: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Do it that many times at the same moment."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(work, range(number)))


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def verify(town: Town, challenge: dict[str, Any], code: str, method: str = "totp", **options: Any) -> httpx.Response:
    body = {"challenge_token": challenge["challenge_token"], "method": method, "code": code} | options
    return town.client().send_json("/v1/auth/second-factor/verify", body)


def administrator(town: Town) -> str:
    """An access token of somebody who runs the platform."""
    person = town.person()
    town.site.sql(
        "UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'admin' AND is_system) WHERE email = %s",
        (person.email,),
    )
    return person.signed_in()["access_token"]
