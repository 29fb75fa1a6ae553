"""Documentation of the routes of other people's accounts."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.identity.me.schemas import EventQuery, SecurityEventPage
from singr_api.identity.sessions.schemas import SessionList
from singr_api.identity.users.schemas import SessionsEnded, UserPage, UserQuery
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts import UserSummary

_TAG: Final = "Users"
_REPLAYED: Final = {"Idempotency-Replayed": "`true` where this is the first answer to the key, given again."}
_USER: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000ad",
    "account_type": "customer",
    "status": "active",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "email_verified": True,
    "phone": None,
    "platform_role": None,
    "created_at": "2026-11-01T09:00:00Z",
    "last_sign_in_at": "2026-11-22T12:00:00Z",
    "disabled_at": None,
}
_DISABLED: Final = {**_USER, "status": "disabled", "disabled_at": "2026-11-22T13:00:00Z"}
_EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e8",
    "kind": "account.disabled",
    "actor": "user:019ab2c0-7f00-7000-8000-0000000000af",
    "organization_id": None,
    "address": "203.0.113.9",
    "device": "Firefox on Linux",
    "detail": {"ended": 2},
    "created_at": "2026-11-22T13:00:00Z",
}
_SESSION: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000005",
    "current": False,
    "device": "Firefox on Linux",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "address": "203.0.113.7",
    "methods": ["pwd", "otp", "mfa"],
    "authenticated_at": "2026-11-22T12:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": "2026-11-22T12:40:00Z",
    "expires_at": "2026-11-29T12:40:00Z",
}
_WHO: Final = "For operators of the platform: no organization's credential, and nobody who acts for one, may do this."

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/users",
        tag=_TAG,
        name="listUsers",
        summary="List accounts",
        description=f"Newest first. {_WHO}",
        query=UserQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                UserPage,
                examples={"page": Example("The last page", {"items": [_USER], "next_cursor": None})},
                headers={"Link": '`rel="next"`: the next page; absent at the end.'},
            ),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN,),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user_id}",
        tag=_TAG,
        name="readUser",
        summary="Read an account",
        description=_WHO,
        outcomes=(Outcome(200, "The account.", UserSummary, examples={"user": Example("In use", _USER)}),),
        problems=(problems.ORGANIZATION_FORBIDDEN,),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user_id}/security-events",
        tag=_TAG,
        name="listUserSecurityEvents",
        summary="List what happened to an account",
        description=f"As its owner sees it, but with who did what, and from where. Newest first. {_WHO}",
        query=EventQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                SecurityEventPage,
                examples={"page": Example("The last page", {"items": [_EVENT], "next_cursor": None})},
                headers={"Link": '`rel="next"`: the next page; absent at the end.'},
            ),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN,),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user_id}/sessions",
        tag=_TAG,
        name="listUserSessions",
        summary="List an account's sessions",
        description=f"The living ones, the one used last first; 200 at most. {_WHO}",
        outcomes=(Outcome(200, "The sessions.", SessionList, examples={"one": Example("One", {"items": [_SESSION]})}),),
        problems=(problems.ORGANIZATION_FORBIDDEN,),
    ),
    Operation(
        method="POST",
        path="/v1/users/{user_id}/disable",
        tag=_TAG,
        name="disableUser",
        summary="Disable an account",
        description=(
            "Its sessions end at once, everywhere within a second, and nothing signs in to it. Its owner is told."
            f" Nobody disables themselves. {_WHO}"
        ),
        outcomes=(
            Outcome(
                200, "Disabled.", UserSummary, examples={"user": Example("Disabled", _DISABLED)}, headers=_REPLAYED
            ),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN, problems.NOT_ALLOWED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path="/v1/users/{user_id}/enable",
        tag=_TAG,
        name="enableUser",
        summary="Enable an account",
        description=f"Its owner signs in anew. {_WHO}",
        outcomes=(
            Outcome(200, "Enabled.", UserSummary, examples={"user": Example("In use", _USER)}, headers=_REPLAYED),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN, problems.NOT_ALLOWED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path="/v1/users/{user_id}/revoke-sessions",
        tag=_TAG,
        name="revokeUserSessions",
        summary="End an account's sessions",
        description=(
            "All of them. Links that were sent before open nothing, every device is a stranger from now on, and its"
            f" owner is told. {_WHO}"
        ),
        outcomes=(
            Outcome(200, "Ended.", SessionsEnded, examples={"ended": Example("Two", {"ended": 2})}, headers=_REPLAYED),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN,),
    ),
)
