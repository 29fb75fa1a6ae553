"""Documentation of the routes of organizations, members and roles."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.organizations.organizations.schemas import (
    ChangedMember,
    ChangedRole,
    ChangeMember,
    ChangeRole,
    CreateRole,
    EventPage,
    MemberPage,
    MemberQuery,
    MyOrganization,
    MyOrganizations,
    NameOrganization,
    PageQuery,
    RoleList,
    TransferOwnership,
)
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts.organizations import Consequences, OrganizationView, RoleView

ID: Final = "01920000-0000-7000-8000-000000000001"
USER: Final = "019ab2c0-7f00-7000-8000-0000000000a1"
ROLE: Final = "019ab2c0-7f00-7000-8000-0000000000b1"
MOMENT: Final = "2026-11-22T12:00:00Z"
TAG: Final = "Organizations"
REPLAYED: Final = {"Idempotency-Replayed": "`true` where this is the first answer to the key, given again."}
DONE: Final = Outcome(204, "Done.")
_PATH: Final = "/v1/organizations/{organization_id}"

_ORGANIZATION: Final[dict[str, Any]] = {"id": ID, "name": "Blue Note", "slug": "blue-note", "created_at": MOMENT}
MINE: Final[dict[str, Any]] = {
    **_ORGANIZATION,
    "role": "customer_staff",
    "permissions": [
        "branding:read",
        "requests:process",
        "requests:read",
        "songdb:read",
        "systems:read",
        "venues:read",
    ],
    "joined_at": MOMENT,
}
_MEMBER: Final[dict[str, Any]] = {
    "user_id": USER,
    "name": "Jane Doe",
    "email": "jane@example.org",
    "status": "active",
    "role": "customer_manager",
    "role_id": ROLE,
    "joined_at": MOMENT,
    "last_sign_in_at": MOMENT,
}
_ROLE: Final[dict[str, Any]] = {
    "id": ROLE,
    "name": "Door",
    "description": "Looks after the queue",
    "system": False,
    "permissions": ["requests:process", "requests:read"],
}
_EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e1",
    "kind": "member.role_changed",
    "actor": f"user:{USER}",
    "user_id": USER,
    "address": "203.0.113.7",
    "device": "Firefox on Linux",
    "detail": {"from": "customer_staff", "to": "customer_manager"},
    "created_at": MOMENT,
}
_KEY: Final[dict[str, Any]] = {"key_id": "ak_5Tn3Xw8yLm1Po6Qr2", "name": "Till", "kind": "api_key"}
_NARROWED: Final[dict[str, Any]] = {
    "revoked_credentials": [],
    "narrowed_credentials": [_KEY],
    "revoked_invitations": [],
    "cancelled_jobs": 0,
}
_REVOKED: Final[dict[str, Any]] = {
    "revoked_credentials": [_KEY],
    "narrowed_credentials": [],
    "revoked_invitations": [{"id": "019ab2c0-7f00-7000-8000-0000000000c1", "email": "jo@example.org"}],
    "cancelled_jobs": 2,
}


OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/organizations",
        tag=TAG,
        name="createOrganization",
        summary="Make an organization",
        description="Whoever makes it owns it. Takes a customer account; one person owns 20 at most.",
        body=NameOrganization,
        body_examples={"organization": Example("A venue", {"name": "Blue Note"})},
        outcomes=(
            Outcome(
                201,
                "Made.",
                MyOrganization,
                examples={"made": Example("The owner's view", {**MINE, "role": "customer_owner"})},
                headers={"Location": "Where the organization can be read.", **REPLAYED},
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.CONFLICT),
    ),
    Operation(
        method="GET",
        path="/v1/organizations",
        tag=TAG,
        name="listOrganizations",
        summary="List your organizations",
        description="By name, with your role in each and what it allows.",
        outcomes=(Outcome(200, "All of them.", MyOrganizations, examples={"one": Example("One", {"items": [MINE]})}),),
    ),
    Operation(
        method="GET",
        path=_PATH,
        tag=TAG,
        name="readOrganization",
        summary="Read an organization",
        outcomes=(Outcome(200, "It.", OrganizationView, examples={"organization": Example("A venue", _ORGANIZATION)}),),
    ),
    Operation(
        method="PATCH",
        path=_PATH,
        tag=TAG,
        name="renameOrganization",
        summary="Rename an organization",
        body=NameOrganization,
        body_examples={"name": Example("Another name", {"name": "Blue Note Berlin"})},
        outcomes=(Outcome(200, "Renamed.", OrganizationView, examples={"renamed": Example("A venue", _ORGANIZATION)}),),
    ),
    Operation(
        method="DELETE",
        path=_PATH,
        tag=TAG,
        name="deleteOrganization",
        summary="Delete an organization",
        description=(
            "For good: its credentials are refused within a second, its invitations are worth nothing, its roles are"
            " gone. Only an owner can do this, who proved their presence in the last 15 minutes, once nobody else is a"
            " member and no job is left that has not ended. Messages that were sent stay for as long as they are kept."
        ),
        outcomes=(Outcome(204, "Deleted."),),
        problems=(
            problems.ORGANIZATION_FORBIDDEN,
            problems.NOT_ALLOWED,
            problems.REAUTHENTICATION_REQUIRED,
            problems.CONFLICT,
        ),
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/members",
        tag=TAG,
        name="listMembers",
        summary="List members",
        description="The youngest accounts first, 50 on a page at most.",
        query=MemberQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                MemberPage,
                examples={"one": Example("One member", {"items": [_MEMBER], "next_cursor": None})},
                headers={"Link": 'The next page, `rel="next"`; absent on the last.'},
            ),
        ),
    ),
    Operation(
        method="PATCH",
        path=f"{_PATH}/members/{{user_id}}",
        tag=TAG,
        name="changeMember",
        summary="Give a member another role",
        description=(
            "Nobody gives or takes a role with permissions that they do not hold, and only owners make owners. What"
            " the old role allowed is refused everywhere within a second, to credentials that they hold too; open"
            " invitations that they could not send any more are revoked, and jobs of theirs that wait for a later time"
            " are cancelled where they may ask for none any more. The answer lists all of it. The last owner stays"
            " owner. From or to a role that may change the organization or make keys, such as the owner's, a session"
            " that has not proved the second factor that is on proves it first."
        ),
        body=ChangeMember,
        body_examples={"manager": Example("Make somebody a manager", {"role": "customer_manager"})},
        outcomes=(
            Outcome(
                200,
                "Changed.",
                ChangedMember,
                examples={"member": Example("The member", {**_MEMBER, "consequences": _NARROWED})},
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="DELETE",
        path=f"{_PATH}/members/{{user_id}}",
        tag=TAG,
        name="removeMember",
        summary="Remove a member",
        description=(
            "Credentials that they hold and open invitations that they sent are revoked, and jobs of theirs that wait"
            " for a later time are cancelled; the answer lists them, and owners are told. Credentials of the"
            " organization itself stay: see them, and revoke those whose secrets they know. The last owner cannot be"
            " removed. Somebody who may change the organization or make keys is removed by a session that has proved"
            " the second factor, where one is on."
        ),
        outcomes=(Outcome(200, "Removed.", Consequences, examples={"lost": Example("What went with them", _REVOKED)}),),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/leave",
        tag=TAG,
        name="leaveOrganization",
        summary="Leave an organization",
        description=(
            "The last owner cannot: they hand it over first. Credentials that you hold and open invitations that you"
            " sent are revoked, and jobs of yours that wait for a later time are cancelled. Whoever may change the"
            " organization or make keys leaves in a session that has proved the second factor, where one is on."
        ),
        outcomes=(DONE,),
        problems=(problems.ORGANIZATION_FORBIDDEN, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/transfer-ownership",
        tag=TAG,
        name="transferOwnership",
        summary="Make another member the owner",
        description=(
            "You become a manager, and credentials that you hold do no more than a manager may; open invitations that"
            " you sent are revoked. Only an owner can do this, who"
            " proved their presence in the last 15 minutes; of several at once, one happens. Both are told by mail."
        ),
        body=TransferOwnership,
        body_examples={"heir": Example("The next owner", {"user_id": USER})},
        outcomes=(
            Outcome(
                200,
                "The new owner.",
                ChangedMember,
                examples={
                    "owner": Example("The new owner", {**_MEMBER, "role": "customer_owner", "consequences": _NARROWED})
                },
            ),
        ),
        problems=(
            problems.ORGANIZATION_FORBIDDEN,
            problems.NOT_ALLOWED,
            problems.REAUTHENTICATION_REQUIRED,
            problems.CONFLICT,
        ),
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/roles",
        tag=TAG,
        name="listRoles",
        summary="List roles",
        description="Those that every organization has, then its own.",
        outcomes=(
            Outcome(200, "All of them.", RoleList, examples={"own": Example("An own role", {"items": [_ROLE]})}),
        ),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/roles",
        tag=TAG,
        name="createRole",
        summary="Make a role",
        description=(
            "It holds no permission that you do not hold. One that may change the organization or make keys is made in"
            " a session that has proved the second factor, where one is on."
        ),
        body=CreateRole,
        body_examples={
            "door": Example(
                "Looks after requests",
                {
                    "name": "Door",
                    "description": "Looks after the queue",
                    "permissions": ["requests:read", "requests:process"],
                },
            )
        },
        outcomes=(Outcome(201, "Made.", RoleView, examples={"role": Example("The role", _ROLE)}, headers=REPLAYED),),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="PATCH",
        path=f"{_PATH}/roles/{{role_id}}",
        tag=TAG,
        name="changeRole",
        summary="Change a role",
        description=(
            "Whoever has it holds the new permissions from their next request on, and so do credentials that they hold."
            " Open invitations that their sender could not send any more are revoked. System roles stay. A role"
            " grows in a session that has proved the second factor, where one is on."
        ),
        body=ChangeRole,
        body_examples={"permissions": Example("Other permissions", {"permissions": ["requests:read"]})},
        outcomes=(
            Outcome(
                200,
                "Changed.",
                ChangedRole,
                examples={"role": Example("The role", {**_ROLE, "consequences": _NARROWED})},
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
    Operation(
        method="DELETE",
        path=f"{_PATH}/roles/{{role_id}}",
        tag=TAG,
        name="deleteRole",
        summary="Remove a role",
        description="One that nobody has, and nobody is invited to.",
        outcomes=(DONE,),
        problems=(problems.NOT_ALLOWED, problems.CONFLICT),
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/security-events",
        tag=TAG,
        name="listOrganizationEvents",
        summary="List security events",
        description="What happened to its people, roles, invitations and credentials, newest first.",
        query=PageQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                EventPage,
                examples={"one": Example("A role change", {"items": [_EVENT], "next_cursor": None})},
                headers={"Link": 'The next page, `rel="next"`; absent on the last.'},
            ),
        ),
    ),
)
