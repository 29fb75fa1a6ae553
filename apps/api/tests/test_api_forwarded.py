"""S23: forwarded addresses in every form that proxies send come to one name for each caller."""

from typing import Any

import msgspec
import pytest

from singr_api.admission.auth import SINGLE_HEADERS
from singr_api.http.address import address_reader, scheme_reader
from singr_api.http.body import single_headers

PROXY = ("10.0.0.1", 1)
TRUSTED = ["10.0.0.0/8", "2001:db8:ffff::/48"]


def named(forwarded: str, peer: tuple[str, int] = PROXY, trusted: list[str] = TRUSTED) -> str:
    return address_reader(trusted)(peer, {b"x-forwarded-for": forwarded.encode("latin-1")} if forwarded else {})


@pytest.mark.parametrize(
    ("forwarded", "name"),
    [
        ("198.51.100.5", "198.51.100.5"),
        ("198.51.100.5:54321", "198.51.100.5"),
        (" \t198.51.100.5 ", "198.51.100.5"),
        ('"198.51.100.5:54321"', "198.51.100.5"),
        ("198.51.100.5:_port", "198.51.100.5"),
        ("::ffff:198.51.100.5", "198.51.100.5"),
        ("::FFFF:C633:6405", "198.51.100.5"),
        ("[::ffff:198.51.100.5]:443", "198.51.100.5"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("[64:ff9b::808:808]:443", "8.8.8.8"),
        ("2002:808:808::1", "8.8.8.8"),
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", "8.8.8.8"),
        ("64:ff9b::a00:1", "64:ff9b::a00:1"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
        ('"[2001:db8:1:2::7]:443"', "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:0:0:0:7", "2001:db8:1:2::/64"),
        ("fe80::7%eth0", "fe80::7"),
        ("6.6.6.6, 198.51.100.5:1, 10.0.0.2:80", "198.51.100.5"),
        ("198.51.100.5, , 10.0.0.2,", "198.51.100.5"),
        ("198.51.100.5, [2001:db8:ffff::1]:80, ::ffff:10.0.0.2", "198.51.100.5"),
    ],
)
def test_address_in_any_form_comes_to_one_name(forwarded: str, name: str) -> None:
    assert named(forwarded) == name


@pytest.mark.parametrize(
    "nobody",
    ["unknown", "_hidden", "garbage", "1.2.3", "1.2.3.4:99999x", "[1.2.3.4]", "[::1", "¹.2.3.4", "x" * 500, "01.2.3.4"],
)
def test_who_is_named_by_nobody_is_known_by_the_proxy_that_did_not_name_them(nobody: str) -> None:
    assert named(nobody) == "10.0.0.1"
    assert named(f"6.6.6.6, {nobody}, 10.0.0.2") == "10.0.0.2"
    assert named(f"{nobody}, 198.51.100.5") == "198.51.100.5"


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "::FFFF:A00:1"])
@pytest.mark.parametrize("trusted", ["10.0.0.1", "10.0.0.0/8", "::ffff:10.0.0.0/104"])
def test_proxy_is_known_over_either_protocol(peer: str, trusted: str) -> None:
    assert named("198.51.100.5", (peer, 1), [trusted]) == "198.51.100.5"


@pytest.mark.parametrize(
    "peer", ["64:ff9b::a00:1", "2002:a00:1::1", "198.51.100.9", "2001:0:4136:e378:8000:63bf:f5ff:fffe"]
)
def test_nobody_is_a_proxy_by_an_address_that_stands_for_one(peer: str) -> None:
    assert named("6.6.6.6", (peer, 1)) != "6.6.6.6"


def test_lines_of_several_proxies_are_read_as_one_list() -> None:
    lines = [(b"x-forwarded-for", b"6.6.6.6, 198.51.100.5"), (b"x-forwarded-for", b"10.0.0.2")]

    assert address_reader(TRUSTED)(PROXY, single_headers(lines, SINGLE_HEADERS)) == "198.51.100.5"


@pytest.mark.parametrize(
    ("peer", "told", "scheme"),
    [
        ("10.0.0.1", b"https", b"https"),
        ("10.0.0.1", b"http, HTTPS", b"https"),
        ("10.0.0.1", b"gopher", b"http"),
        ("10.0.0.1", b"", b"http"),
        ("198.51.100.9", b"https", b"http"),
    ],
)
def test_scheme_is_believed_of_trusted_proxies_only(peer: str, told: bytes, scheme: bytes) -> None:
    scope = {"scheme": "http", "client": (peer, 1)}

    assert scheme_reader(TRUSTED)(scope, {b"x-forwarded-proto": told}) == scheme


async def test_each_caller_behind_a_proxy_has_a_limit_of_their_own_on_a_socket_of_both_protocols(
    settings: Any, serve_app: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_api.admission.limits.FEWEST_FAILED_SIGN_INS", 2)
    few = msgspec.structs.replace(settings.limits, requests_per_minute=20)
    behind = msgspec.structs.replace(settings.app, trusted_proxies=("127.0.0.1/32",))

    async with serve_app(msgspec.structs.replace(settings, limits=few, app=behind), host="::") as url:
        caller = client(url, "sk_live_nope")

        async def status(forwarded: str) -> int:
            return (await caller.get("/v1/jobs", headers={"x-forwarded-for": forwarded})).status_code

        forms = ["198.51.100.5", "198.51.100.5:4711", "[::ffff:198.51.100.5]:443"]
        assert [await status(form) for form in forms] == [401, 401, 429]
        assert await status("198.51.100.6") == 401
        assert await status("[2001:db8:1:2::7]:443") == 401
