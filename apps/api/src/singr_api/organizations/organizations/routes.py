"""Organizations, their members, roles and audit trail."""

from typing import Any, Final
from uuid import UUID

from msgspec.structs import asdict

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http.fields import PageQuery
from singr_api.http.problems import CONFLICT, NOT_ALLOWED, ORGANIZATION_FORBIDDEN, REAUTHENTICATION_REQUIRED
from singr_api.organizations.organizations import schemas
from singr_api.organizations.organizations.examples import (
    EVENT,
    MEMBER,
    NARROWED,
    NEW_ROLE,
    OWNED,
    REVOKED,
    ROLE_SHOWN,
    VENUE,
)
from singr_api.organizations.shared import HAND, MINE, OWN, USER, MyOrganization, acting, mine
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_auth.accounts.organizations import Actor, Consequences, OrganizationView, RoleView, organization_events
from singr_db import PlatformSession, TenantSession


async def _member(services: Services, call: UserCall, client: ClientInfo) -> Actor:
    """Return who acts as a member, whatever else they may do."""
    whole = await services.accounts.reauthentication.is_whole(call.session_id)
    return Actor(call.person.key_id, user_id=call.user_id, client=client, whole=whole)


async def _recent(services: Services, call: UserCall) -> None:
    await services.accounts.reauthentication.require_recent(call.session_id)


organizations = Section(
    "Organizations", access=Access.CALLER, scope="organization:read", gives={"actor": acting, "member": _member}
)
_COLLECTION: Final = "/v1/organizations"
_ONE: Final = f"{_COLLECTION}/{{organization_id}}"
_CHANGE: Final[dict[str, Any]] = {**HAND, "problems": (NOT_ALLOWED, REAUTHENTICATION_REQUIRED, CONFLICT)}
_OWNERS: Final[dict[str, Any]] = {
    **OWN,
    "problems": (ORGANIZATION_FORBIDDEN, NOT_ALLOWED, REAUTHENTICATION_REQUIRED, CONFLICT),
    "before": _recent,
}


@organizations.route(
    f"POST {_COLLECTION}",
    "createOrganization",
    Answer(
        "Created.",
        status=201,
        headers={"Location": "Where the organization can be read."},
        location=_COLLECTION,
        made=Example("The owner's view", OWNED),
    ),
    body_examples={"organization": Example("A venue", {"name": "Blue Note"})},
    problems=(NOT_ALLOWED, CONFLICT),
    idempotent=True,
    **OWN,
)
async def create(
    session: PlatformSession, services: Services, call: UserCall, client: ClientInfo, body: schemas.NameOrganization
) -> MyOrganization:
    """Create an organization.

    The caller becomes its owner. Requires a customer account; one person can own at most 20. The name must not
    contain invisible characters, nor the platform's own name or what looks like it.
    """
    return mine(
        await services.accounts.organizations.create(session, user_id=call.user_id, name=body.name, client=client)
    )


@organizations.route(
    f"GET {_COLLECTION}",
    "listOrganizations",
    Answer("The organizations.", one=Example("One", {"items": [MINE]})),
    **OWN,
)
async def index(session: PlatformSession, services: Services, call: UserCall) -> schemas.MyOrganizations:
    """List your organizations.

    By name, with your role in each and its permissions.
    """
    found = await services.accounts.organizations.of_user(session, call.user_id)
    return schemas.MyOrganizations(tuple(mine(one) for one in found))


@organizations.route(f"GET {_ONE}", "readOrganization", Answer("The organization.", organization=VENUE))
async def read(session: TenantSession, services: Services, organization_id: UUID) -> OrganizationView:
    """Read an organization."""
    return await services.accounts.organizations.read(session, organization_id)


@organizations.route(
    f"PATCH {_ONE}",
    "renameOrganization",
    Answer("Renamed.", renamed=VENUE),
    body_examples={"name": Example("Another name", {"name": "Blue Note Berlin"})},
    scope="organization:write",
    one_factor="A name gives nobody anything.",
)
async def rename(
    session: TenantSession, services: Services, organization_id: UUID, actor: Actor, body: schemas.NameOrganization
) -> OrganizationView:
    """Rename an organization.

    The name must not contain invisible characters, nor the platform's own name or what looks like it.
    """
    return await services.accounts.organizations.rename(session, organization_id, name=body.name, actor=actor)


@organizations.route(f"DELETE {_ONE}", "deleteOrganization", Answer("Deleted."), **_OWNERS)
async def remove(
    session: PlatformSession, services: Services, organization_id: UUID, call: UserCall, client: ClientInfo
) -> None:
    """Delete an organization.

    Permanently: its credentials are refused within a second, its invitations become invalid, and its roles are deleted.
    Only an owner who proved their presence in the last 15 minutes can do this, once there are no other members and no
    unfinished jobs, other than those that remove exports. Messages that were sent are kept for their retention period.

    A table of your own in Singr's database that still refers to it keeps it from being deleted (409, which names it),
    unless its foreign key has `ON DELETE`.
    """
    await services.accounts.organizations.delete(session, organization_id, user_id=call.user_id, client=client)


@organizations.route(f"GET {_ONE}/members", "listMembers", page_with(MEMBER, one="One member"))
async def members(
    session: TenantSession, services: Services, organization_id: UUID, query: schemas.MemberQuery
) -> schemas.MemberPage:
    """List members.

    Newest accounts first, at most 50 per page.
    """
    return schemas.MemberPage.of(await services.accounts.members.page(session, organization_id, **asdict(query)))


@organizations.route(
    f"PATCH {_ONE}/members/{{user_id}}",
    "changeMember",
    Answer("Changed.", member=Example("The member", {**MEMBER, **NARROWED})),
    body_examples={"manager": Example("Make somebody a manager", {"role": "customer_manager"})},
    **_CHANGE,
)
async def change_member(
    session: TenantSession,
    services: Services,
    *,
    organization_id: UUID,
    user_id: UUID,
    actor: Actor,
    body: schemas.ChangeMember,
) -> schemas.ChangedMember:
    """Change a member's role.

    You cannot grant or take a role with permissions that you do not hold, and only owners can make owners. Permissions
    of the old role are refused everywhere within a second, including for credentials that the member holds; open
    invitations that they could no longer send are revoked, and their scheduled jobs are cancelled if they could no
    longer create them. The response lists all of these. The last owner cannot be changed. For roles that can change the
    organization or create keys, such as the owner's, a session must first have proved the second factor, if one is on.
    """
    return schemas.changed_member(
        await services.accounts.members.change_role(session, organization_id, user_id, role=body.role, actor=actor)
    )


@organizations.route(
    f"DELETE {_ONE}/members/{{user_id}}",
    "removeMember",
    Answer("Removed.", lost=Example("What was revoked with them", REVOKED)),
    **_CHANGE,
)
async def remove_member(
    session: TenantSession, services: Services, organization_id: UUID, user_id: UUID, actor: Actor
) -> Consequences:
    """Remove a member.

    Credentials that they hold and open invitations that they sent are revoked, and their scheduled jobs are cancelled;
    the response lists them, and owners are told. The organization's own credentials stay: review them, and revoke those
    whose secrets the member knows. The last owner cannot be removed. Removing somebody who can change the organization
    or create keys requires a session that has proved the second factor, if one is on.
    """
    return await services.accounts.members.remove(session, organization_id, user_id, actor=actor)


@organizations.route(
    f"POST {_ONE}/leave",
    "leaveOrganization",
    Answer("You have left."),
    problems=(ORGANIZATION_FORBIDDEN, REAUTHENTICATION_REQUIRED, CONFLICT),
    **OWN,
)
async def leave(session: TenantSession, services: Services, organization_id: UUID, member: Actor) -> None:
    """Leave an organization.

    The last owner cannot leave: transfer the ownership first. Credentials that you hold and open invitations that you
    sent are revoked, and your scheduled jobs are cancelled. If you can change the organization or create keys, your
    session must have proved the second factor, if one is on.
    """
    await services.accounts.members.leave(session, organization_id, actor=member)


@organizations.route(
    f"POST {_ONE}/transfer-ownership",
    "transferOwnership",
    Answer("The new owner.", owner=Example("The new owner", {**MEMBER, "role": "customer_owner", **NARROWED})),
    body_examples={"heir": Example("The next owner", {"user_id": USER})},
    **_OWNERS,
)
async def transfer_ownership(
    session: TenantSession, services: Services, organization_id: UUID, member: Actor, body: schemas.TransferOwnership
) -> schemas.ChangedMember:
    """Transfer ownership to another member.

    You become a manager, and credentials that you hold are limited to a manager's permissions; open invitations that
    you sent are revoked. Only an owner who proved their presence in the last 15 minutes can do this; of several at
    once, one succeeds. Both are told by mail.
    """
    return schemas.changed_member(
        await services.accounts.members.transfer_ownership(session, organization_id, to=body.user_id, actor=member)
    )


@organizations.route(
    f"GET {_ONE}/roles",
    "listRoles",
    Answer("The roles.", own=Example("The organization's own role", {"items": [ROLE_SHOWN]})),
)
async def roles(session: TenantSession, services: Services, organization_id: UUID) -> schemas.RoleList:
    """List roles.

    The system roles first, then the organization's own.
    """
    return schemas.RoleList(await services.accounts.roles.list(session, organization_id))


@organizations.route(
    f"POST {_ONE}/roles",
    "createRole",
    Answer("Created.", status=201, role=Example("The role", ROLE_SHOWN)),
    body_examples={"door": Example("Manages song requests", NEW_ROLE)},
    idempotent=True,
    **_CHANGE,
)
async def create_role(
    session: TenantSession, services: Services, organization_id: UUID, actor: Actor, body: schemas.CreateRole
) -> RoleView:
    """Create a role.

    It cannot have permissions that you do not hold. Creating a role that can change the organization or create keys
    requires a session that has proved the second factor, if one is on.
    """
    return await services.accounts.roles.create(session, organization_id, **asdict(body), actor=actor)


@organizations.route(
    f"PATCH {_ONE}/roles/{{role_id}}",
    "changeRole",
    Answer("Changed.", role=Example("The role", {**ROLE_SHOWN, **NARROWED})),
    body_examples={"permissions": Example("Other permissions", {"permissions": ["requests:read"]})},
    **_CHANGE,
)
async def change_role(
    session: TenantSession,
    services: Services,
    *,
    organization_id: UUID,
    role_id: UUID,
    actor: Actor,
    body: schemas.ChangeRole,
) -> schemas.ChangedRole:
    """Change a role.

    Members with this role have the new permissions from their next request on, and so do credentials that they hold.
    Open invitations that their sender could no longer send are revoked. System roles cannot be changed. Adding
    permissions requires a session that has proved the second factor, if one is on.
    """
    roles = services.accounts.roles
    return schemas.changed_role(await roles.change(session, organization_id, role_id, **asdict(body), actor=actor))


@organizations.route(
    f"DELETE {_ONE}/roles/{{role_id}}", "deleteRole", Answer("Deleted."), problems=(NOT_ALLOWED, CONFLICT), **HAND
)
async def delete_role(
    session: TenantSession, services: Services, organization_id: UUID, role_id: UUID, actor: Actor
) -> None:
    """Delete a role.

    Only if no member has it, and no open invitation is for it.
    """
    await services.accounts.roles.delete(session, organization_id, role_id, actor=actor)


@organizations.route(f"GET {_ONE}/security-events", "listOrganizationEvents", page_with(EVENT, one="A role change"))
async def security_events(session: TenantSession, organization_id: UUID, query: PageQuery) -> schemas.EventPage:
    """List security events.

    Events about its people, roles, invitations and credentials, newest first.
    """
    return schemas.EventPage.of(await organization_events(session, organization_id, **asdict(query)))
