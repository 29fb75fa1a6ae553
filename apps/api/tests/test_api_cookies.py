"""The cookies of a session, as a browser is told to keep them."""

from http.cookies import SimpleCookie

import msgspec

from singr_api.admission import cookies
from singr_api.admission.browser import Browsers
from singr_api.admission.csrf import CsrfGuard
from singr_auth.accounts import ClientInfo, SignedIn
from singr_config import Secret
from singr_db import Sealer, new_id

BROWSERS = Browsers(
    address=lambda *_: "203.0.113.9",
    scheme=lambda *_: b"http",
    csrf=CsrfGuard(Sealer(Secret("s" * 40)), ()),
    device_ttl=99,
)
RESULT = SignedIn(
    user_id=new_id(),
    session_id=new_id(),
    access_token=Secret("eyJ.access.token"),
    expires_in=900,
    refresh_token=Secret("srt_refresh"),
    refresh_expires_in=604_800,
    device_token=Secret("sdv_device"),
)
CLIENT = ClientInfo(address="203.0.113.9", device_token=Secret("sdv_presented"))


def test_session_is_kept_where_no_script_and_no_other_site_reaches_it() -> None:
    told = {line.split(b"=", 1)[0].decode(): line.decode() for _, line in BROWSERS.cookies(RESULT, CLIENT)}
    csrf = BROWSERS.csrf.token(RESULT.session_id).reveal()
    assert told == {
        "__Host-singr_access": (
            "__Host-singr_access=eyJ.access.token; Path=/; Max-Age=900; Secure; SameSite=Lax; HttpOnly"
        ),
        "__Secure-singr_refresh": (
            "__Secure-singr_refresh=srt_refresh; Path=/v1/auth; Max-Age=604800; Secure; SameSite=Strict; HttpOnly"
        ),
        "__Host-singr_csrf": f"__Host-singr_csrf={csrf}; Path=/; Max-Age=604800; Secure; SameSite=Strict",
        "__Secure-singr_device": (
            "__Secure-singr_device=sdv_device; Path=/v1/auth; Max-Age=99; Secure; SameSite=Strict; HttpOnly"
        ),
    }


def test_known_device_keeps_its_token_for_another_while_and_an_unknown_one_keeps_none() -> None:
    known = msgspec.structs.replace(RESULT, device_token=None, known_device=True)
    assert BROWSERS.cookies(known, CLIENT)[-1] == cookies.set_cookie(
        cookies.DEVICE, Secret("sdv_presented"), max_age=99
    )
    unknown = msgspec.structs.replace(known, known_device=False)  # as after a refresh, which asks for no device
    assert len(BROWSERS.cookies(unknown, CLIENT)) == 3


def test_forgotten_cookie_has_the_path_of_the_one_it_replaces() -> None:
    for name, path in ((cookies.ACCESS, "/"), (cookies.REFRESH, "/v1/auth"), (cookies.CSRF, "/")):
        parsed = SimpleCookie(cookies.drop_cookie(name)[1].decode())[name]
        assert (parsed.value, parsed["path"], parsed["max-age"]) == ("", path, "0")


def test_cookies_are_found_by_their_whole_name_and_all_of_them() -> None:
    headers = {b"cookie": b'a=1; __Host-singr_access=x; __Host-singr_access2=y;__Host-singr_access=z=1; b="q"; c'}
    assert cookies.cookies_named(headers, cookies.ACCESS) == ["x", "z=1"]
    assert cookies.cookies_named(headers, cookies.REFRESH) == []
    assert cookies.cookies_named({}, cookies.ACCESS) == []


def test_what_a_caller_says_about_itself_is_cut_and_cleaned() -> None:
    agent = "Mozilla\x1b[31m\x7f" + "é" * 500
    headers = {b"user-agent": agent.encode(), b"x-singr-device": b"sdv_1", b"cookie": b"__Secure-singr_device=sdv_2"}
    client = BROWSERS.client({"client": None}, headers)
    assert client.user_agent == ("Mozilla[31m" + "é" * 500)[:400]
    assert client.device_token is not None
    assert client.device_token.reveal() == "sdv_1"
    by_cookie = BROWSERS.client({"client": None}, {b"cookie": headers[b"cookie"]}).device_token
    assert by_cookie is not None
    assert by_cookie.reveal() == "sdv_2"
    for absurd in ({}, {b"x-singr-device": b""}, {b"x-singr-device": b"x" * 5000}):
        assert BROWSERS.client({"client": None}, absurd).device_token is None
