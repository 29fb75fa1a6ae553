"""Invitations: of an organization's side, and of whoever is invited."""

from typing import Any, Final
from uuid import UUID

from msgspec.structs import asdict

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.fields import PageQuery
from singr_api.organizations.invitations.examples import INVITATION, LINK_TOKEN, OWN_INVITATION, PREVIEW, TOKEN
from singr_api.organizations.invitations.schemas import (
    CreateInvitation,
    InvitationPage,
    InvitationToken,
    NewMember,
    OwnInvitationPage,
    RegisterByInvitation,
)
from singr_api.organizations.shared import HAND, MINE, OWN, USER, MyOrganization, acting, mine
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_auth.accounts.organizations import Actor, InvitationPreview, InvitationView
from singr_config import Secret
from singr_db import PlatformSession, TenantSession

invitations = Section("Invitations", access=Access.CALLER, scope="organization:read", gives={"actor": acting})
_PATH: Final = "/v1/organizations/{organization_id}/invitations"
_SENDS: Final[dict[str, Any]] = {
    **HAND,
    "idempotent": True,
    "closed": "50 invitations per day for each organization, 5 per hour for each address.",
    "problems": (problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
}
_BY_LINK: Final[dict[str, Any]] = {**OWN, "access": Access.ANONYMOUS, "unguessable": True}


@invitations.route(f"GET {_PATH}", "listInvitations", page_with(INVITATION, "A page, newest first.", one="One"))
async def index(session: TenantSession, services: Services, organization_id: UUID, query: PageQuery) -> InvitationPage:
    """List invitations."""
    return InvitationPage.of(await services.accounts.invitations.page(session, organization_id, **asdict(query)))


async def _count_new(services: Services, organization_id: UUID, body: CreateInvitation) -> None:
    await services.accounts.invitation_limits.count_new(organization_id, body.email)


@invitations.route(
    f"POST {_PATH}",
    "createInvitation",
    Answer("Invited; the message is on its way.", status=201, invitation=Example("The invitation", INVITATION)),
    body_examples={"staff": Example("Bar staff", {"email": "jane@example.org", "role": "customer_staff"})},
    before=_count_new,
    **_SENDS,
)
async def create(
    session: TenantSession, services: Services, organization_id: UUID, actor: Actor, body: CreateInvitation
) -> InvitationView:
    """Invite somebody.

    Sends a link to the address, valid for 7 days and one use. An address has at most one open invitation. You can
    invite to roles whose permissions you hold; only an owner can invite an owner. Inviting to a role that can change
    the organization or create keys requires a session that has proved the second factor, if one is on.
    """
    return await services.accounts.invitations.create(
        session, organization_id, email=body.email, role=body.role, actor=actor
    )


async def _count_resent(services: Services, organization_id: UUID, invitation_id: UUID) -> None:
    await services.accounts.invitation_limits.count_resent(organization_id, invitation_id)


@invitations.route(
    f"POST {_PATH}/{{invitation_id}}/resend",
    "resendInvitation",
    Answer("Sent.", invitation=Example("The invitation", INVITATION)),
    before=_count_resent,
    **_SENDS,
)
async def resend(
    session: TenantSession, services: Services, organization_id: UUID, invitation_id: UUID, actor: Actor
) -> InvitationView:
    """Send an invitation again.

    With a new link, valid for 7 days; the old one stops working.
    """
    return await services.accounts.invitations.resend(session, organization_id, invitation_id, actor=actor)


@invitations.route(
    f"DELETE {_PATH}/{{invitation_id}}",
    "revokeInvitation",
    Answer("Revoked."),
    problems=(problems.CONFLICT,),
    scope="organization:write",
    one_factor="It takes an offer back, and gives nothing.",
)
async def revoke(
    session: TenantSession, services: Services, organization_id: UUID, invitation_id: UUID, actor: Actor
) -> None:
    """Revoke an invitation."""
    await services.accounts.invitations.revoke(session, organization_id, invitation_id, actor=actor)


@invitations.route(
    "POST /v1/invitations/preview",
    "previewInvitation",
    Answer("An open invitation.", preview=Example("Somebody new", PREVIEW)),
    body_examples={"token": LINK_TOKEN},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.UNAVAILABLE),
    **_BY_LINK,
)
async def preview(session: PlatformSession, services: Services, body: InvitationToken) -> InvitationPreview:
    """Show what a link invites to.

    Does not consume the link. `has_account` tells whether to sign in or to register.
    """
    return await services.accounts.invitations.preview(session, body.token)


@invitations.route(
    "POST /v1/invitations/accept",
    "acceptInvitation",
    Answer("You are now a member.", member=Example("Your membership", MINE)),
    body_examples={"token": LINK_TOKEN},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.NOT_ALLOWED, problems.CONFLICT),
    **OWN,
)
async def accept(
    session: PlatformSession, services: Services, call: UserCall, client: ClientInfo, body: InvitationToken
) -> MyOrganization:
    """Accept an invitation.

    For the signed-in person whose verified address was invited. Works once.
    """
    return mine(await services.accounts.invitations.accept(session, body.token, user_id=call.user_id, client=client))


@invitations.route("GET /v1/me/invitations", "listOwnInvitations", page_with(OWN_INVITATION, one="One"), **OWN)
async def own(session: PlatformSession, services: Services, call: UserCall, query: PageQuery) -> OwnInvitationPage:
    """List your invitations.

    Open invitations sent to your verified address, newest first. Accepting one requires the link from its message;
    declining does not.
    """
    return OwnInvitationPage.of(await services.accounts.own_invitations.page(session, call.user_id, **asdict(query)))


@invitations.route("POST /v1/me/invitations/{invitation_id}/decline", "declineInvitation", Answer("Declined."), **OWN)
async def decline(
    session: PlatformSession, services: Services, call: UserCall, client: ClientInfo, invitation_id: UUID
) -> None:
    """Decline an invitation.

    Only an invitation sent to your verified address. It counts as revoked, and its link stops working.
    """
    await services.accounts.own_invitations.decline(session, invitation_id, user_id=call.user_id, client=client)


@invitations.route(
    "POST /v1/invitations/register",
    "registerByInvitation",
    Answer(
        "Registered, and a member.",
        status=201,
        member=Example("The new member", {"user_id": USER, "organization": MINE}),
    ),
    body_examples={
        "newcomer": Example(
            "Somebody new", {"token": TOKEN, "name": "Jane Doe", "password": "a long road to the microphone"}
        )
    },
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.CONFLICT, problems.UNAVAILABLE),
    **_BY_LINK,
)
async def register(services: Services, client: ClientInfo, body: RegisterByInvitation) -> NewMember:
    """Register with an invitation.

    Creates an account for the invited address, which the link has verified, and accepts the invitation. Sign in with
    the password afterwards. If the address already has an account, this is refused (409): sign in and accept.
    """
    joined = await services.accounts.invited_registration.register(
        body.token, name=body.name, password=Secret(body.password), client=client
    )
    return NewMember(joined.user_id, mine(joined.membership))
