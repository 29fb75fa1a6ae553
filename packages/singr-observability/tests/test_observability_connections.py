"""How many connections there may be of one address, and which of them make room."""

import asyncio

import pytest

from singr_observability.server import WireLimits
from singr_observability.server._connections import Connections


class Line:
    """A connection that notes whether it had to give way."""

    def __init__(self, all_of_them: Connections, host: str | None) -> None:
        self.site = all_of_them.caller(host).site
        self.since = 0.0
        self.gone = False

    def idle(self) -> None:
        """Nobody looks in these tests."""

    def give_way(self) -> None:
        self.gone = True


async def opened(limits: WireLimits, *hosts: str | None) -> tuple[list[Line], list[bool]]:
    everybody = Connections(limits, 65)
    lines = [Line(everybody, host) for host in hosts]
    admitted = [everybody.opened(line) for line in lines]
    await asyncio.sleep(0)
    return lines, admitted


@pytest.mark.parametrize("same", ["198.51.100.5", "::ffff:198.51.100.5"])
async def test_address_over_its_bound_closes_its_own_longest_waiting_connection(same: str) -> None:
    lines, admitted = await opened(WireLimits(per_address=2), "203.0.113.9", "198.51.100.5", same, "198.51.100.5")

    assert admitted == [True] * 4
    assert [line.gone for line in lines] == [False, True, False, False]


async def test_site_of_ipv6_is_one_caller() -> None:
    lines, _ = await opened(WireLimits(per_address=1), "2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1")

    assert [line.gone for line in lines] == [True, False, False]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "", None])
async def test_own_machine_and_trusted_proxies_are_not_counted_by_address(host: str | None) -> None:
    limits = WireLimits(per_address=1, trusted=("10.0.0.0/8",))

    assert not any(line.gone for line in (await opened(limits, *[host] * 5))[0])


@pytest.mark.parametrize("host", ["64:ff9b::7f00:1", "2002:7f00:1::1"])
async def test_address_that_stands_for_this_machine_is_counted_all_the_same(host: str) -> None:
    lines, _ = await opened(WireLimits(per_address=1), host, host)

    assert [line.gone for line in lines] == [True, False]
