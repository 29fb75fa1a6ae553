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
        "Made.",
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
    """Make an organization.

    Whoever makes it owns it. Takes a customer account; one person owns 20 at most.
    """
    return mine(
        await services.accounts.organizations.create(session, user_id=call.user_id, name=body.name, client=client)
    )


@organizations.route(
    f"GET {_COLLECTION}", "listOrganizations", Answer("All of them.", one=Example("One", {"items": [MINE]})), **OWN
)
async def index(session: PlatformSession, services: Services, call: UserCall) -> schemas.MyOrganizations:
    """List your organizations.

    By name, with your role in each and what it allows.
    """
    found = await services.accounts.organizations.of_user(session, call.user_id)
    return schemas.MyOrganizations(tuple(mine(one) for one in found))


@organizations.route(f"GET {_ONE}", "readOrganization", Answer("It.", organization=VENUE))
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
    """Rename an organization."""
    return await services.accounts.organizations.rename(session, organization_id, name=body.name, actor=actor)


@organizations.route(f"DELETE {_ONE}", "deleteOrganization", Answer("Deleted."), **_OWNERS)
async def remove(
    session: PlatformSession, services: Services, organization_id: UUID, call: UserCall, client: ClientInfo
) -> None:
    """Delete an organization.

    For good: its credentials are refused within a second, its invitations are worth nothing, its roles are gone. Only
    an owner can do this, who proved their presence in the last 15 minutes, once nobody else is a member and no job is
    left that has not ended. Messages that were sent stay for as long as they are kept.
    """
    await services.accounts.organizations.delete(session, organization_id, user_id=call.user_id, client=client)


@organizations.route(f"GET {_ONE}/members", "listMembers", page_with(MEMBER, one="One member"))
async def members(
    session: TenantSession, services: Services, organization_id: UUID, query: schemas.MemberQuery
) -> schemas.MemberPage:
    """List members.

    The youngest accounts first, 50 on a page at most.
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
    """Give a member another role.

    Nobody gives or takes a role with permissions that they do not hold, and only owners make owners. What the old role
    allowed is refused everywhere within a second, to credentials that they hold too; open invitations that they could
    not send any more are revoked, and jobs of theirs that wait for a later time are cancelled where they may ask for
    none any more. The answer lists all of it. The last owner stays owner. From or to a role that may change the
    organization or make keys, such as the owner's, a session that has not proved the second factor that is on proves it
    first.
    """
    return schemas.changed_member(
        await services.accounts.members.change_role(session, organization_id, user_id, role=body.role, actor=actor)
    )


@organizations.route(
    f"DELETE {_ONE}/members/{{user_id}}",
    "removeMember",
    Answer("Removed.", lost=Example("What went with them", REVOKED)),
    **_CHANGE,
)
async def remove_member(
    session: TenantSession, services: Services, organization_id: UUID, user_id: UUID, actor: Actor
) -> Consequences:
    """Remove a member.

    Credentials that they hold and open invitations that they sent are revoked, and jobs of theirs that wait for a later
    time are cancelled; the answer lists them, and owners are told. Credentials of the organization itself stay: see
    them, and revoke those whose secrets they know. The last owner cannot be removed. Somebody who may change the
    organization or make keys is removed by a session that has proved the second factor, where one is on.
    """
    return await services.accounts.members.remove(session, organization_id, user_id, actor=actor)


@organizations.route(
    f"POST {_ONE}/leave",
    "leaveOrganization",
    Answer("Done."),
    problems=(ORGANIZATION_FORBIDDEN, REAUTHENTICATION_REQUIRED, CONFLICT),
    **OWN,
)
async def leave(session: TenantSession, services: Services, organization_id: UUID, member: Actor) -> None:
    """Leave an organization.

    The last owner cannot: they hand it over first. Credentials that you hold and open invitations that you sent are
    revoked, and jobs of yours that wait for a later time are cancelled. Whoever may change the organization or make
    keys leaves in a session that has proved the second factor, where one is on.
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
    """Make another member the owner.

    You become a manager, and credentials that you hold do no more than a manager may; open invitations that you sent
    are revoked. Only an owner can do this, who proved their presence in the last 15 minutes; of several at once, one
    happens. Both are told by mail.
    """
    return schemas.changed_member(
        await services.accounts.members.transfer_ownership(session, organization_id, to=body.user_id, actor=member)
    )


@organizations.route(
    f"GET {_ONE}/roles", "listRoles", Answer("All of them.", own=Example("An own role", {"items": [ROLE_SHOWN]}))
)
async def roles(session: TenantSession, services: Services, organization_id: UUID) -> schemas.RoleList:
    """List roles.

    Those that every organization has, then its own.
    """
    return schemas.RoleList(await services.accounts.roles.list(session, organization_id))


@organizations.route(
    f"POST {_ONE}/roles",
    "createRole",
    Answer("Made.", status=201, role=Example("The role", ROLE_SHOWN)),
    body_examples={"door": Example("Looks after requests", NEW_ROLE)},
    idempotent=True,
    **_CHANGE,
)
async def create_role(
    session: TenantSession, services: Services, organization_id: UUID, actor: Actor, body: schemas.CreateRole
) -> RoleView:
    """Make a role.

    It holds no permission that you do not hold. One that may change the organization or make keys is made in a session
    that has proved the second factor, where one is on.
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

    Whoever has it holds the new permissions from their next request on, and so do credentials that they hold. Open
    invitations that their sender could not send any more are revoked. System roles stay. A role grows in a session that
    has proved the second factor, where one is on.
    """
    roles = services.accounts.roles
    return schemas.changed_role(await roles.change(session, organization_id, role_id, **asdict(body), actor=actor))


@organizations.route(
    f"DELETE {_ONE}/roles/{{role_id}}", "deleteRole", Answer("Done."), problems=(NOT_ALLOWED, CONFLICT), **HAND
)
async def delete_role(
    session: TenantSession, services: Services, organization_id: UUID, role_id: UUID, actor: Actor
) -> None:
    """Remove a role.

    One that nobody has, and nobody is invited to.
    """
    await services.accounts.roles.delete(session, organization_id, role_id, actor=actor)


@organizations.route(f"GET {_ONE}/security-events", "listOrganizationEvents", page_with(EVENT, one="A role change"))
async def security_events(session: TenantSession, organization_id: UUID, query: PageQuery) -> schemas.EventPage:
    """List security events.

    What happened to its people, roles, invitations and credentials, newest first.
    """
    return schemas.EventPage.of(await organization_events(session, organization_id, **asdict(query)))
