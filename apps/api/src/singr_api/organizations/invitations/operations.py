"""Documentation of the routes of invitations."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.organizations.organizations.operations import DONE, ID, MINE, MOMENT, REPLAYED, ROLE, USER
from singr_api.organizations.organizations.schemas import (
    CreateInvitation,
    InvitationPage,
    InvitationToken,
    MyOrganization,
    NewMember,
    OwnInvitationPage,
    PageQuery,
    RegisterByInvitation,
)
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts.organizations import InvitationPreview, InvitationView

TAG: Final = "Invitations"
_PATH: Final = "/v1/organizations/{organization_id}/invitations"
_TOKEN: Final = "sin_7Q2xv1cKf8ZbE0mJ4nR6tY9wA3sD5gH1kL0pX8uC2vB4nM6qW"  # noqa: S105 — an example that opens nothing
_INVITATION: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000c1",
    "organization_id": ID,
    "email": "jane@example.org",
    "role": "customer_staff",
    "role_id": ROLE,
    "status": "open",
    "invited_by": USER,
    "created_at": MOMENT,
    "sent_at": MOMENT,
    "expires_at": "2026-11-29T12:00:00Z",
    "accepted_at": None,
    "revoked_at": None,
}
_OWN: Final[dict[str, Any]] = {
    "id": _INVITATION["id"],
    "organization_name": "Blue Note",
    "role": "customer_staff",
    "inviter_name": "Olga",
    "created_at": MOMENT,
    "expires_at": _INVITATION["expires_at"],
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_PATH,
        tag=TAG,
        name="listInvitations",
        summary="List invitations",
        query=PageQuery,
        outcomes=(
            Outcome(
                200,
                "A page, newest first.",
                InvitationPage,
                examples={"one": Example("One", {"items": [_INVITATION], "next_cursor": None})},
                headers={"Link": 'The next page, `rel="next"`; absent on the last.'},
            ),
        ),
    ),
    Operation(
        method="POST",
        path=_PATH,
        tag=TAG,
        name="createInvitation",
        summary="Invite somebody",
        description=(
            "A link goes to the address, good for 7 days and one use. An address has one open invitation at a time. You"
            " can invite to a role whose permissions you hold; to be an owner, as an owner. To a role that may change"
            " the organization or make keys, a session invites that has proved the second factor, where one is on."
        ),
        body=CreateInvitation,
        body_examples={
            "staff": Example("Somebody for the bar", {"email": "jane@example.org", "role": "customer_staff"})
        },
        outcomes=(
            Outcome(
                201,
                "Invited; the message is on its way.",
                InvitationView,
                examples={"invitation": Example("The invitation", _INVITATION)},
                headers=REPLAYED,
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/{{invitation_id}}/resend",
        tag=TAG,
        name="resendInvitation",
        summary="Send an invitation again",
        description="With a new link, good for 7 days; the old one is worth nothing any more.",
        outcomes=(
            Outcome(
                200,
                "Sent.",
                InvitationView,
                examples={"invitation": Example("The invitation", _INVITATION)},
                headers=REPLAYED,
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="DELETE",
        path=f"{_PATH}/{{invitation_id}}",
        tag=TAG,
        name="revokeInvitation",
        summary="Take an invitation back",
        outcomes=(DONE,),
        problems=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/v1/invitations/preview",
        tag=TAG,
        name="previewInvitation",
        summary="Say what a link invites to",
        description="Uses nothing up. `has_account` tells whether to sign in or to register.",
        body=InvitationToken,
        body_examples={"token": Example("The link's token", {"token": _TOKEN})},
        outcomes=(
            Outcome(
                200,
                "An open invitation.",
                InvitationPreview,
                examples={
                    "preview": Example(
                        "Somebody new",
                        {
                            "organization_name": "Blue Note",
                            "email": "jane@example.org",
                            "role": "customer_staff",
                            "inviter_name": "Olga",
                            "expires_at": "2026-11-29T12:00:00Z",
                            "has_account": False,
                        },
                    )
                },
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/v1/invitations/accept",
        tag=TAG,
        name="acceptInvitation",
        summary="Accept an invitation",
        description="As the person who is signed in, whose verified address is the invited one. Works once.",
        body=InvitationToken,
        body_examples={"token": Example("The link's token", {"token": _TOKEN})},
        outcomes=(Outcome(200, "A member.", MyOrganization, examples={"member": Example("Your place", MINE)}),),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.NOT_ALLOWED, problems.CONFLICT),
    ),
    Operation(
        method="GET",
        path="/v1/me/invitations",
        tag=TAG,
        name="listOwnInvitations",
        summary="List your invitations",
        description=(
            "The open ones that were sent to your verified address, newest first. To accept one takes the link of its"
            " message; to decline it does not."
        ),
        query=PageQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                OwnInvitationPage,
                examples={"one": Example("One", {"items": [_OWN], "next_cursor": None})},
                headers={"Link": 'The next page, `rel="next"`; absent on the last.'},
            ),
        ),
    ),
    Operation(
        method="POST",
        path="/v1/me/invitations/{invitation_id}/decline",
        tag=TAG,
        name="declineInvitation",
        summary="Decline an invitation",
        description="One that was sent to your verified address. It counts as revoked; its link opens nothing.",
        outcomes=(Outcome(204, "Declined."),),
    ),
    Operation(
        method="POST",
        path="/v1/invitations/register",
        tag=TAG,
        name="registerByInvitation",
        summary="Register by an invitation",
        description=(
            "Makes an account for the invited address, which the link has verified, and accepts the invitation. Sign in"
            " with the password afterwards. An address that has an account is refused (409): sign in and accept."
        ),
        body=RegisterByInvitation,
        body_examples={
            "newcomer": Example(
                "Somebody new",
                {"token": _TOKEN, "name": "Jane Doe", "password": "a long road to the microphone"},
            )
        },
        outcomes=(
            Outcome(
                201,
                "Registered, and a member.",
                NewMember,
                examples={"member": Example("The new member", {"user_id": USER, "organization": MINE})},
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.CONFLICT, problems.UNAVAILABLE),
    ),
)
