"""Server-sent events (HTML Living Standard, 9.2) of one inbox, for as long as somebody looks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response

from singr_api.admission.browser import AnyRequest
from singr_api.admission.people import Person
from singr_api.http.body import ClientGoneError
from singr_api.http.edge import Message, Receive, Scope, Send
from singr_api.http.leaving import leaving
from singr_api.http.problems import MALFORMED_REQUEST, header_refused
from singr_api.wiring.services import Services
from singr_comms.people.inbox import InboxCounts, InboxItemView, LiveInbox, count_inbox, inbox_changes, owner_of_inbox
from singr_config.clock import clock
from singr_observability.server import ENDLESS

EVENTS: Final = "text/event-stream"
_HEARTBEAT: Final = 15.0
# Seconds in which the end of a session is noticed.
_LOOKS: Final = 2.0
# Changes of one look, and how many in a row are told one by one.
_AT_ONCE: Final = 100
_MOST: Final = 500
# Seconds for which a client may take nothing though its connection is full (64 kB): it is gone, or never reads.
_STUCK: Final = 20.0
_LAST_EVENT_ID: Final = b"last-event-id"
_DIGITS: Final = 19
_HEAD: Final[Message] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", EVENTS.encode()), (b"x-accel-buffering", b"no")],
}
_encode = msgspec.json.Encoder().encode


class EventStream(Response[None]):
    """An answer that goes on.

    Args:
        parts: what it says, as it comes; None where only its head was asked for.
        left: called when nobody listens any more.
    """

    def __init__(self, parts: AsyncGenerator[bytes] | None, *, left: Callable[[], None] | None = None) -> None:
        super().__init__(None, media_type=EVENTS)
        self._parts = parts
        self._left = left

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Return what sends it."""
        return self._send_head if self._parts is None else partial(self._send_parts, self._parts)

    async def _send_head(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(_HEAD)
        await send({"type": "http.response.body", "body": b""})

    async def _send_parts(self, parts: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][ENDLESS] = True
        sending = asyncio.current_task()
        gone = asyncio.create_task(_gone(receive, sending))
        try:
            await send(_HEAD)
            async for part in parts:
                async with asyncio.timeout(_STUCK):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            raise ClientGoneError from None
        except asyncio.CancelledError:
            if sending is None or not gone.done():  # somebody else's wish
                raise
            sending.uncancel()
        finally:
            gone.cancel()
            if self._left is not None:
                self._left()
            await parts.aclose()


async def events(
    services: Services, person: Person, live: LiveInbox, after: int, told: InboxCounts | None = None
) -> AsyncGenerator[bytes]:
    """Yield what changes behind a position, while it is this person's inbox, who is signed in, and the process goes on.

    The token that opened it proves that they are for its own life, 15 minutes at most, and no longer. Whose it is, and
    whether they are signed in, is asked after what is told was read: an item that came when they had
    no right to it any more is told to nobody.

    Args:
        services: where it is read.
        person: whose inbox it is.
        live: theirs, on this screen.
        after: the position.
        told: the counts as it begins, where whoever follows said nothing of where they are. From then on they have the
            id of an event, and can say so after a cut.
    """
    beat = time.monotonic() + _HEARTBEAT
    yield b": welcome\n\n" + (b"" if told is None else _event("counts", told.position, told))
    while not leaving():
        news = b""
        if await live.changed(within=_LOOKS):
            read = partial(_news, services, live.recipient_id, after)
            news, after, owner = await services.live_inboxes.read_once(live, after, read)
            if owner != person.user_id:
                return
        if not await _still_in(services, person, anew=bool(news)):
            return
        if news:
            beat = time.monotonic() + _HEARTBEAT
            yield news
        if time.monotonic() >= beat:
            beat = time.monotonic() + _HEARTBEAT
            yield b": still here\n\n"


def resumed_from(request: AnyRequest, after: int | None) -> int | None:
    """Return the position up to which a client knows its inbox; None where it says nothing."""
    given = next((value for name, value in request.scope["headers"] if name == _LAST_EVENT_ID), None)
    if not given:
        return after
    if not given.isdigit() or len(given) > _DIGITS:
        words = "must be the id of an event of this stream, a whole number"
        raise header_refused(MALFORMED_REQUEST, "last-event-id", words, "malformed")
    return int(given)


async def _news(services: Services, recipient_id: UUID, after: int) -> tuple[bytes, int, UUID | None]:
    """What changed, as events, the position behind it, and whose inbox it is after all that. The counts come last.

    Positions only grow: one that is ahead is of an inbox that is gone, and all of this one is new to whoever gives it.
    """
    told: list[bytes] = []
    async with services.db.platform() as session:
        counts = await count_inbox(session, recipient_id)
        if counts.position != after:
            if not 0 < counts.position - after <= _MOST:
                after = counts.position
                told.append(_event("reload", after, {}))
            changes = partial(inbox_changes, session, services.sealer, recipient_id, brands=services.brands)
            while changed := await changes(after=after, limit=_AT_ONCE):
                told += [_event("item", item.position, item) for item in changed]
                after = changed[-1].position
            told.append(_event("counts", after, await count_inbox(session, recipient_id)))
        return b"".join(told), after, await owner_of_inbox(session, recipient_id)


def _event(name: str, position: int, data: InboxItemView | Any) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), position, _encode(data))


async def _still_in(services: Services, person: Person, *, anew: bool) -> bool:
    """Whether token and session are in force, as of now (`anew`) or a little before; not so where nobody can say."""
    if person.expires_at <= clock.time():
        return False
    feed = services.accounts.access_feed
    with contextlib.suppress(Exception):
        await (feed.refresh() if anew else feed.ensure_fresh())
        return not feed.session_revoked(person.session_id)
    return False


async def _gone(receive: Receive, sending: asyncio.Task[None] | None) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if sending is not None:
        sending.cancel()
