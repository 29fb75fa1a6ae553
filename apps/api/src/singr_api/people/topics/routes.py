"""Topics: list, read, change who is reached by one, remove."""

from typing import Any, Final

import msgspec

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import CONFLICT, NOT_FOUND, FieldError, invalid
from singr_api.people.shared import DAILY
from singr_api.people.topics.schemas import TopicPage, TopicsQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_comms.people import (
    TopicChange,
    TopicChanged,
    TopicKey,
    TopicNotFoundError,
    TopicView,
    change_topic,
    list_topics,
    read_topic,
    remove_topic,
)
from singr_db import TenantSession

topics = Section("Topics", access=Access.CALLER, scope="notifications:read")
_SHOWN: Final[dict[str, Any]] = {"key": "farm-9", "members": 2, "created_at": "2026-11-27T12:00:00Z"}
_IN_PATH: Final[dict[str, Any]] = {
    "path_schemas": {"key": {"type": "string", "description": "The topic's key.", "examples": ["farm-9"]}}
}
_CHANGES: Final[dict[str, Any]] = {
    "scope": "notifications:write",
    "query": OrganizationQuery,
    "one_factor": DAILY,
}
_ONE: Final = "/v1/topics/{key}"


def _checked(key: str, *, new: bool = False) -> str:
    try:
        return msgspec.convert(key, TopicKey)
    except msgspec.ValidationError:
        if not new:
            raise TopicNotFoundError from None
        message = "must be 1 to 128 letters, digits and . _ : @ + ~ = | -, a letter or digit first"
        raise invalid(FieldError("key", message, "path", "pattern")) from None


@topics.route("GET /v1/topics", "listTopics", page_with(_SHOWN))
async def index(session: TenantSession, query: TopicsQuery) -> TopicPage:
    """List topics.

    Newest first, each with the number of people it reaches.
    """
    return TopicPage.of(await list_topics(session, limit=query.limit, cursor=query.cursor))


@topics.route(
    f"POST {_ONE}/members",
    "changeTopicMembers",
    Answer("Changed.", changed=Example("Changed", {"added": 1, "removed": 0})),
    body_examples={"people": Example("Two people", {"add": ["u-17"], "remove": ["u-18"]})},
    problems=(NOT_FOUND,),
    idempotent=True,
    **_IN_PATH,
    **_CHANGES,
)
async def change(session: TenantSession, key: str, body: TopicChange) -> TopicChanged:
    """Add people to a topic, and remove others.

    Up to 1,000 of each; a topic that does not exist is created. People to be added must be recipients: if any is not,
    nothing is changed, and all such ids are named. `GET /v1/recipients?topic=` lists a topic's members.
    """
    return await change_topic(session, _checked(key, new=True), body)


@topics.route(
    f"GET {_ONE}",
    "readTopic",
    Answer("The topic.", topic=Example("A topic", _SHOWN)),
    query=OrganizationQuery,
    problems=(NOT_FOUND,),
    **_IN_PATH,
)
async def read(session: TenantSession, key: str) -> TopicView:
    """Read a topic."""
    return await read_topic(session, _checked(key))


@topics.route(
    f"DELETE {_ONE}", "removeTopic", Answer("Deleted."), problems=(NOT_FOUND, CONFLICT), **_IN_PATH, **_CHANGES
)
async def remove(session: TenantSession, key: str) -> None:
    """Remove a topic.

    Its members stay recipients. While a notification has yet to reach them the topic stays, too (409): let it reach
    them, or cancel it.
    """
    await remove_topic(session, _checked(key))
