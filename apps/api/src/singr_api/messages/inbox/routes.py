"""A person's inbox: what is in it, what becomes of its items, and what comes in, live."""

from functools import partial
from typing import Any, Final

from singr_api.admission.browser import AnyRequest
from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.edge import asked_for_head
from singr_api.http.problems import Problem
from singr_api.messages.inbox.schemas import InboxPage, InboxQuery, MarkInbox, StreamQuery, WhoseInbox
from singr_api.messages.inbox.stream import EVENTS, EventStream, events, resumed_from
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.people.inbox import InboxCounts, check_mark, count_inbox, inbox_of, list_inbox, mark_inbox
from singr_config.clock import clock
from singr_db import PlatformSession

inbox = Section("Inbox", access=Access.USER, problems=(problems.NOT_FOUND,))
ITEM: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000e",
    "type": "plain",
    "title": "You are next",
    "body": "Somebody to Love is up: come to the stage.",
    "link": "https://app.example/queue",
    "notification_id": "019ab2c0-7f00-7000-8000-00000000000f",
    "position": 7,
    "created_at": "2026-11-27T12:00:00Z",
    "seen_at": None,
    "read_at": None,
    "archived_at": None,
    "snoozed_until": None,
}
_COUNTS: Final[dict[str, Any]] = {"unread": 1, "unseen": 1, "position": 7}
_RESUMES: Final[dict[str, Any]] = {
    "Last-Event-ID": {
        "type": "string",
        "pattern": "^[0-9]{1,19}$",
        "description": "The `id` of the last event that you received, as an `EventSource` sends it by itself when it"
        " reconnects. Comes before `after`.",
        "example": "7",
    }
}
# In each process, which knows its own streams alone.
_MOST_SCREENS: Final = 10
# Whoever has organizations of their own has an inbox in each.
_MOST_OF_ONE: Final = 20
_MOST_STREAMS: Final = 5_000


@inbox.route(
    "GET /v1/me/inbox",
    "readMyInbox",
    Answer("A page of results.", page=Example("The last page", {"items": [ITEM], "next_cursor": None} | _COUNTS)),
)
async def index(session: PlatformSession, services: Services, call: UserCall, query: InboxQuery) -> InboxPage:
    """List your inbox.

    Newest first, with the number of new items, and the position from which the stream continues. What arrived before
    the organization linked your account is not shown, unless it was sent to your own verified address.
    """
    recipient_id = await inbox_of(session, organization_id=query.organization_id, user_id=call.user_id)
    counts = await count_inbox(session, recipient_id)
    page = await list_inbox(
        session,
        services.sealer,
        recipient_id,
        state=query.state,
        limit=query.limit,
        cursor=query.cursor,
        brands=services.brands,
    )
    return InboxPage(page.items, page.next_cursor, counts.unread, counts.unseen, counts.position)


@inbox.route("GET /v1/me/inbox/counts", "countMyInbox", Answer("The counts.", counts=Example("One new item", _COUNTS)))
async def counts(session: PlatformSession, call: UserCall, query: WhoseInbox) -> InboxCounts:
    """Count new items in your inbox."""
    recipient_id = await inbox_of(session, organization_id=query.organization_id, user_id=call.user_id)
    return await count_inbox(session, recipient_id)


@inbox.route(
    "POST /v1/me/inbox/mark",
    "markMyInbox",
    Answer("The counts afterwards.", counts=Example("Nothing new", {"unread": 0, "unseen": 0, "position": 8})),
    body_examples={
        "all read": Example(
            "Everything that has arrived until now",
            {"mark": "read", "before": "2026-11-27T12:30:00Z"},
        )
    },
)
async def mark(session: PlatformSession, call: UserCall, query: WhoseInbox, body: MarkInbox) -> InboxCounts:
    """Mark inbox items as seen, read, unread, archived, restored or snoozed.

    By `ids`, or everything that arrived up to `before`. Items already in that state stay as they are, so the request
    can be repeated safely. Archived items are not snoozed: restore them first.
    """
    check_mark(body.mark, ids=body.ids, before=body.before, until=body.until, now=clock.now())
    recipient_id = await inbox_of(session, organization_id=query.organization_id, user_id=call.user_id)
    return await mark_inbox(session, recipient_id, body.mark, ids=body.ids, before=body.before, until=body.until)


@inbox.route(
    "GET /v1/me/inbox/stream",
    "streamMyInbox",
    Answer(
        "Server-sent events, until you disconnect: `item` with a new or changed item, `counts` with the counts,"
        " `reload` if the inbox must be read again: more changed than is sent item by item, or your position is ahead"
        " of the inbox, as it is once you were removed and added again. The `id` of each event is the position from"
        " which to continue.",
        of=str,
        media=EVENTS,
    ),
    header_schemas=_RESUMES,
    problems=(problems.RATE_LIMITED, problems.UNAVAILABLE),
    json=False,
)
async def stream(request: AnyRequest, services: Services, call: UserCall, query: StreamQuery) -> EventStream:
    """Follow your inbox, live.

    To start, open it without a position: the first event is `counts`, whose `id` an `EventSource` returns by itself
    when it reconnects, so that nothing is missed. Or read the inbox first and pass its `position` as `after`.

    The stream ends with the access token that opened it, after at most 15 minutes, and within seconds if your session
    ends or the inbox is no longer yours: reconnect with a token in force and `Last-Event-ID` or `after`, and nothing is
    missed. A comment every 15 seconds keeps the connection open. In each process of the API, 10 streams of one inbox
    can be open at once, and 20 of one person.
    """
    async with services.db.platform() as session:
        recipient_id = await inbox_of(session, organization_id=query.organization_id, user_id=call.user_id)
        told = await count_inbox(session, recipient_id)
    screens = services.live_inboxes
    is_full = screens.watched(recipient_id) >= _MOST_SCREENS or screens.watched_by(call.user_id) >= _MOST_OF_ONE
    if is_full or len(screens) >= _MOST_STREAMS:
        words = (
            f"{_MOST_SCREENS} streams of one inbox can be open in each process of the API, {_MOST_OF_ONE} of one"
            f" person, {_MOST_STREAMS:,} in all: close one, or try later."
        )
        raise Problem(problems.RATE_LIMITED, words, headers={"retry-after": "5"})
    after = resumed_from(request, query.after)
    if asked_for_head(request.scope["state"]):
        return EventStream(None)
    live = screens.watch(recipient_id, call.user_id)
    if after is None:
        following = events(services, call.person, live, told.position, told)
    else:
        following = events(services, call.person, live, after)
    return EventStream(following, left=partial(screens.leave, live))
