"""S14: addresses of logos in every notation that a resolver understands: none leads into a private network."""

import httpx
import pytest

from singr_comms.notifications import ImageError, fetched_picture

# As the resolver of this machine reads them: numbers of one to four parts, decimal, octal, hexadecimal, and IPv6.
HOSTS = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("10.0.0.1", "167772161", "0xa.1", "192.168.1", "172.16.0.1", "172.31.255.255", "169.254.169.254", "2852039166"),
    *("0", "0.0.0.0", "0x0", "100.64.0.1", "198.18.0.1", "192.0.0.1", "192.0.2.1", "240.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[64:ff9b:1::1]"),
    *("[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2002:7f00:1::]", "[2002:a00:1::]", "[2001:db8::1]"),
    *("localhost", "LOCALHOST", "localhost.", "①②⑦.0.0.1", "127。0。0。1"),
)
FORMS = ("https://{}/x.png", "https://{}:443/x.png", "https://{}/x.png?a=@example.org", "https://{}/\\@example.org/")


async def refused(hosts: tuple[str, ...]) -> None:
    async with httpx.AsyncClient() as http:
        for host in hosts:
            for form in FORMS:
                with pytest.raises(ImageError, match=r"private network|can be found|https address"):
                    await fetched_picture(http, form.format(host))


async def test_private_addresses_in_some_notations_lead_nowhere() -> None:
    await refused(HOSTS[:4])


@pytest.mark.full
async def test_private_addresses_in_every_notation_lead_nowhere() -> None:
    await refused(HOSTS)
