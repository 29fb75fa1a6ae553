"""What is repeated and what is not, and `singr` as a process among others."""

import gzip
import re
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from singr_dev._serving import Receive, Scope, Send, drop_connection, serving


class Peer:
    """An API that answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else JSONResponse({"id": "j1", "status": "pending"})

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "DELETE"])])


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_cli._http.time.sleep", lambda _: None)


@pytest.fixture
def calls(bare: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_secret")

    def call(peer: Peer, *arguments: str) -> Any:
        with serving(peer.app) as url:
            monkeypatch.setenv("SINGR_URL", url)
            return bare(*arguments)

    return call


def away(status: int = 503, **headers: str) -> Response:
    return JSONResponse(
        {"title": "Unavailable", "detail": "Try again, with the same Idempotency-Key."}, status, headers=headers
    )


def test_a_post_is_repeated_under_the_same_key(calls: Any) -> None:
    peer = Peer(away(), away(429, **{"retry-after": "1"}))
    assert calls(peer, "jobs", "create", "sms.send").code == 0
    assert len(peer.asked) == 3
    [key] = {request.headers["idempotency-key"] for request in peer.asked}
    assert re.fullmatch(r"singr-cli-[0-9a-f]{32}", key)


class Forgetful(Peer):
    """An API that does what it is asked, once for each key, and lets the connection drop until it is well again."""

    def __init__(self) -> None:
        super().__init__()
        self.well = False
        self.stored: dict[str, str] = {}

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        job = self.stored.setdefault(request.headers["idempotency-key"], f"j{len(self.stored)}")
        return JSONResponse({"id": job}) if self.well else Dropped()


class Dropped(Response):
    """No answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await drop_connection(scope, receive)


def test_what_was_stored_and_not_answered_is_not_made_twice_under_the_key_that_the_error_names(calls: Any) -> None:
    peer = Forgetful()
    outcome = calls(peer, "jobs", "create", "sms.send")
    assert (outcome.code, "cannot be reached" in outcome.err) == (5, False)
    [key] = re.findall(
        r"It may have been done; to ask again without doing it twice: --idempotency-key (\S+)$",
        outcome.err,
        re.MULTILINE,
    )
    peer.well = True
    again = calls(peer, "jobs", "create", "sms.send", "--idempotency-key", key)
    assert (again.one, peer.stored) == ({"id": "j0"}, {key: "j0"})


def test_the_key_that_is_told_is_sent(calls: Any) -> None:
    peer = Peer()
    assert calls(peer, "jobs", "cancel", "a", "--idempotency-key", "mine").code == 0
    assert [request.headers["idempotency-key"] for request in peer.asked] == ["mine"]


@pytest.mark.parametrize("arguments", [("a", "--idempotency-key", ""), ("a", "b", "--idempotency-key", "mine")])
def test_a_key_that_is_not_one_requests_is_refused(calls: Any, arguments: tuple[str, ...]) -> None:
    peer = Peer()
    outcome = calls(peer, "jobs", "cancel", *arguments)
    assert (outcome.code, outcome.err[:17], peer.asked) == (2, "--idempotency-key", [])


def test_after_a_5xx_the_key_is_named_and_a_get_is_just_tried_again(calls: Any) -> None:
    made = calls(Peer(*(away() for _ in range(4))), "jobs", "create", "sms.send", "--idempotency-key", "mine")
    assert made.err.endswith("without doing it twice: --idempotency-key mine\n")
    shown = calls(Peer(*(away() for _ in range(4))), "jobs", "show", "a")
    assert shown.err == "Unavailable.\nTry again.\n"


def test_a_later_refusal_does_not_hide_that_an_earlier_try_may_have_done_it(calls: Any) -> None:
    peer = Peer(Dropped(), away(429, **{"retry-after": "3600"}))
    assert "--idempotency-key singr-cli-" in calls(peer, "jobs", "create", "sms.send").err


def test_each_thing_has_a_key_of_its_own(calls: Any) -> None:
    peer = Peer()
    calls(peer, "jobs", "cancel", "a", "b")
    assert len({request.headers["idempotency-key"] for request in peer.asked}) == 2


def test_a_get_is_repeated_and_in_the_end_unavailable(calls: Any) -> None:
    peer = Peer(*(away() for _ in range(9)))
    assert calls(peer, "jobs", "show", "a").code == 5
    assert len(peer.asked) == 4


def test_what_may_have_been_done_is_not_repeated_without_a_key(calls: Any) -> None:
    peer = Peer(away())
    assert calls(peer, "schedules", "delete", "a", "--yes").code == 5
    assert len(peer.asked) == 1


def test_nobody_waits_for_longer_than_half_a_minute(calls: Any) -> None:
    peer = Peer(away(429, **{"retry-after": "3600"}))
    assert calls(peer, "jobs", "show", "a").code == 5
    assert len(peer.asked) == 1


class Slow(Peer):
    """An API whose answers are 503, each of them after six seconds by the clock of who asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(*(away() for _ in range(9)))
        self.now = 0.0
        asking = SimpleNamespace(monotonic=lambda: self.now, sleep=lambda _: None)  # the server keeps its own
        monkeypatch.setattr("singr_cli._http.time", asking)

    async def answer(self, request: Request) -> Response:
        self.now += 6.0
        return await super().answer(request)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (("deliveries", "list"), 18.0),
        (("deliveries", "list", "--timeout", "7"), 12.0),
        (("jobs", "create", "sms.send"), 24.0),
    ],
)
def test_all_tries_together_take_no_longer_than_one_answer_may(
    calls: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], seconds: float
) -> None:
    peer = Slow(monkeypatch)
    outcome = calls(peer, *arguments)
    assert (outcome.code, peer.now) == (5, seconds)  # the last try begins within the time


def test_a_credential_follows_no_redirect(calls: Any) -> None:
    peer = Peer(RedirectResponse("/elsewhere"))
    outcome = calls(peer, "jobs", "show", "a")
    assert (outcome.code, len(peer.asked)) == (1, 1)


def test_an_answer_that_is_not_the_apis_is_told_so(calls: Any) -> None:
    outcome = calls(Peer(Response("<html>", 200)), "jobs", "show", "a")
    assert (outcome.code, "is it the right one?" in outcome.err) == (1, True)


def test_a_list_that_ends_in_the_middle_is_no_answer(calls: Any) -> None:
    peer = Peer(JSONResponse({"items": [{"id": "j1"}], "next_cursor": "more"}), Response("", 200))
    outcome = calls(peer, "jobs", "list", "--all", "--output", "json")
    assert (outcome.code == 0, outcome.out) == (False, "")


def test_the_credential_is_in_no_error(calls: Any) -> None:
    outcome = calls(Peer(away(401)), "jobs", "list")
    assert outcome.code == 3
    assert "sk_live_secret" not in outcome.err + outcome.out


def test_an_address_where_nobody_is_ends_with_5(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGR_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SINGR_API_KEY", "sk_live_secret")
    outcome = bare("jobs", "list")
    assert outcome.code == 5
    assert "`singr doctor` looks closer" in outcome.err
    assert "--idempotency-key" not in bare("jobs", "create", "sms.send").err  # nobody was there to do it
    assert "sk_live_secret" not in outcome.err


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("jobs", "nothing"), ("jobs", "list", "--status", "odd"), ("jobs", "show")]
)
def test_what_is_wrongly_asked_for_ends_with_2(bare: Any, arguments: tuple[str, ...]) -> None:
    assert bare(*arguments).code == 2


DEEP = Response("[" * 200_000 + "]" * 200_000, media_type="application/json")
DEEP_ENOUGH_TO_BE_READ = Response('{"a":' * 900 + "1" + "}" * 900, media_type="application/json")


@pytest.mark.parametrize("answer", [DEEP, DEEP_ENOUGH_TO_BE_READ], ids=["200,000", "900"])
def test_json_that_is_nested_too_deep_ends_in_a_sentence(calls: Any, answer: Response) -> None:
    outcome = calls(Peer(answer), "jobs", "show", "a", "--output", "table")
    assert (outcome.code in {0, 5}, "Traceback" in outcome.err) == (True, False)
    assert "nested too deep" in outcome.err or outcome.code == 0


@pytest.mark.parametrize("cursor", ["", "again", 7, ["x"]])
def test_pages_that_lead_nowhere_are_not_read_for_ever(calls: Any, cursor: Any) -> None:
    peer = Peer(*(JSONResponse({"items": [{"id": "a"}], "next_cursor": cursor}) for _ in range(9)))
    assert calls(peer, "jobs", "list", "--all").code == 5
    assert len(peer.asked) <= 2


def test_no_more_is_read_than_32_mib(calls: Any) -> None:
    outcome = calls(Peer(Response(b" " * (33 << 20), media_type="application/json")), "jobs", "show", "a")
    assert (outcome.code, "more than 32 MiB" in outcome.err) == (5, True)


def test_what_is_compressed_is_neither_asked_for_nor_read(calls: Any) -> None:
    peer = Peer(Response(gzip.compress(b"{}"), headers={"content-encoding": "gzip"}, media_type="application/json"))
    outcome = calls(peer, "jobs", "show", "a")
    assert (outcome.code, "compressed" in outcome.err) == (5, True)
    assert peer.asked[0].headers["accept-encoding"] == "identity"
