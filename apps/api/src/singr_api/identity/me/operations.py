"""Documentation of the routes of a person's own account."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.identity.me.schemas import (
    ChangeEmail,
    ChangeProfile,
    ConfirmEmail,
    EmailChanged,
    EmailRestored,
    EventQuery,
    SecurityEventPage,
    UndoEmailChange,
)
from singr_api.identity.registration.operations import ACCEPTED
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts import Profile

_TAG: Final = "Account"
_ME: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000ad",
    "account_type": "customer",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "email_verified": True,
    "phone": "+1******0100",
    "phone_verified": True,
    "has_password": True,
    "second_factors": ["totp"],
    "passkeys": 1,
    "platform_role": None,
    "organizations": [
        {
            "id": "01920000-0000-7000-8000-000000000001",
            "name": "Blue Note",
            "slug": "blue-note",
            "role": "customer_owner",
        }
    ],
    "created_at": "2026-11-01T09:00:00Z",
    "last_sign_in_at": "2026-11-22T12:00:00Z",
}
_EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e7",
    "kind": "sign_in.succeeded",
    "actor": "you",
    "organization_id": None,
    "address": "203.0.113.7",
    "device": "Firefox on Linux",
    "detail": {"factors": ["password", "totp"]},
    "created_at": "2026-11-22T12:00:00Z",
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/me",
        tag=_TAG,
        name="readMe",
        summary="Read your account",
        outcomes=(Outcome(200, "Your account.", Profile, examples={"me": Example("A customer", _ME)}),),
    ),
    Operation(
        method="PATCH",
        path="/v1/me",
        tag=_TAG,
        name="changeMe",
        summary="Change your name",
        body=ChangeProfile,
        body_examples={"name": Example("Another name", {"name": "Ada King"})},
        outcomes=(
            Outcome(200, "As it is now.", Profile, examples={"me": Example("Renamed", {**_ME, "name": "Ada King"})}),
        ),
    ),
    Operation(
        method="DELETE",
        path="/v1/me",
        tag=_TAG,
        name="deleteMe",
        summary="Delete your account",
        description=(
            "For good: all sessions end, the address is free again, and nothing that is kept says whose account it was."
            " Needs a proof of presence that is at most 15 minutes old. Refused (409) while an organization with other"
            " members would be left without an owner: transfer its ownership first."
        ),
        outcomes=(Outcome(204, "Deleted."),),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="GET",
        path="/v1/me/security-events",
        tag=_TAG,
        name="listMySecurityEvents",
        summary="List what happened to your account",
        description="Sign-ins, refused ones too, and every change of how the account is opened. Newest first.",
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
    ),
    Operation(
        method="POST",
        path="/v1/auth/email/change",
        tag=_TAG,
        name="changeEmail",
        summary="Ask for another e-mail address",
        description=(
            "Sends a link and a code to the new address, and word of it to the old one, which stays in force until the"
            " new one is confirmed in this session. Needs a proof of presence that is at most 15 minutes old."
        ),
        body=ChangeEmail,
        body_examples={"address": Example("Another address", {"email": "ada.king@example.org"})},
        outcomes=(ACCEPTED,),
        problems=(problems.REAUTHENTICATION_REQUIRED,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/email/change/confirm",
        tag=_TAG,
        name="confirmEmailChange",
        summary="Confirm the new e-mail address",
        description=(
            "By the code or the link of the mail to the new address, in the session that asked for the change: in any"
            " other (403), and without one (401), nothing changes. The old address is told, with a link that undoes it"
            " for seven days."
        ),
        body=ConfirmEmail,
        body_examples={
            "code": Example("The code", {"code": "042917"}),
            "link": Example("The link's token", {"token": "sec_4Jv7…"}),
        },
        outcomes=(
            Outcome(200, "In force.", EmailChanged, examples={"changed": Example("Done", {"status": "email_changed"})}),
        ),
        problems=(
            problems.CODE_REFUSED,
            problems.ONE_TIME_TOKEN_REFUSED,
            problems.NOT_ALLOWED,
            problems.REAUTHENTICATION_REQUIRED,
            problems.CONFLICT,
        ),
    ),
    Operation(
        method="POST",
        path="/v1/auth/email/change/undo",
        tag=_TAG,
        name="undoEmailChange",
        summary="Undo a change of e-mail address",
        description=(
            "By the link that went to the address of before, within seven days. The account has that address again, all"
            " sessions end, the password is dropped and a link to choose one is sent, and what was added around the"
            " change that could sign in (passkeys, phone, devices, second factors) is removed. Signs nobody in."
        ),
        body=UndoEmailChange,
        body_examples={"link": Example("The link's token", {"token": "seu_9Rt2…"})},
        outcomes=(
            Outcome(
                200,
                "Restored.",
                EmailRestored,
                examples={"restored": Example("Done", {"status": "email_restored"})},
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.CONFLICT),
    ),
)
