"""S23 in full: a real API on a socket of both protocols, behind a proxy that writes addresses in every form."""

import ipaddress

import httpx
import pytest
from faults.harness import Site

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

FORMS = (
    "{}",
    "{}:4711",
    "6.6.6.6,   {}",
    '"{}:80"',
    "::ffff:{}",
    "[::ffff:{}]:443",
    "6.6.6.6, {}:1",
    "{}, 127.0.0.1:9",
)
CALLERS = 40
ADMITTED = 60  # failures to prove who one is, in a minute


async def test_every_form_of_an_address_is_one_caller_and_no_two_callers_are_one(site: Site) -> None:
    site.environ |= {"HOST": "::", "API_RATE_LIMIT_MAX": "600"}
    with site.api() as api:
        async with httpx.AsyncClient(base_url=api.address, headers={"x-api-key": "sk_live_nope"}) as caller:

            async def status(forwarded: str) -> int:
                return (await caller.get("/v1/jobs", headers={"x-forwarded-for": forwarded})).status_code

            first = [await status(FORMS[number % len(FORMS)].format("198.51.100.5")) for number in range(ADMITTED)]
            assert set(first) == {401}
            assert {await status(form.format("198.51.100.5")) for form in FORMS} == {429}
            others = [str(ipaddress.IPv4Address("203.0.113.1") + number) for number in range(CALLERS)]
            assert {await status(f"{other}:{4711 + number}") for number, other in enumerate(others)} == {401}
            assert {await status(f"[2001:db8:0:{number:x}::7]:443") for number in range(CALLERS)} == {401}
