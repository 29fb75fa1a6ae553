"""Routes of organizations, their members, roles and audit trail."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency

from singr_api.admission.browser import client_info
from singr_api.admission.call import answer, answer_reply, call_of, path_id, query_of, refusal_reply, user_call_of
from singr_api.admission.idempotency import Reply
from singr_api.admission.idempotency import Request as IdempotentRequest
from singr_api.http.pages import link_next
from singr_api.http.validation import decode_body, encode
from singr_api.organizations.organizations.schemas import (
    ChangeMember,
    ChangeRole,
    CreateRole,
    EventPage,
    MemberPage,
    MemberQuery,
    MyOrganizations,
    NameOrganization,
    PageQuery,
    RoleList,
    TransferOwnership,
    changed_member,
    changed_role,
    mine,
)
from singr_api.organizations.shared import acting
from singr_api.wiring.services import Services
from singr_auth.accounts.organizations import Actor, organization_events
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, TenantSession

AnyRequest = Request[Any, Any, Any]
_NAME: Final = msgspec.json.Decoder(NameOrganization, strict=True)
_MEMBER: Final = msgspec.json.Decoder(ChangeMember, strict=True)
_OWNER: Final = msgspec.json.Decoder(TransferOwnership, strict=True)
_ROLE: Final = msgspec.json.Decoder(CreateRole, strict=True)
_ROLE_CHANGE: Final = msgspec.json.Decoder(ChangeRole, strict=True)


async def actor_of(request: AnyRequest, services: Services) -> Actor:
    """Return who acts for an organization."""
    return await acting(call_of(request), client_info(request), services)


def organization_in(request: AnyRequest) -> UUID:
    """Return the organization that the path names: the gate let the caller act for it."""
    return path_id(request, "organization_id")


def no_content() -> Response[None]:
    """Answer that it is done."""
    return Response(None, status_code=204)


def own_request(request: AnyRequest, organization_id: UUID) -> IdempotentRequest:
    """Return what the request's idempotency key is bound to."""
    call = call_of(request)
    return IdempotentRequest(organization_id, call.idempotency_key or "", call.method, call.target, call.body_hash)


@post("/v1/organizations", status_code=201)
async def create(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Make an organization."""
    call = user_call_of(request)
    body = decode_body(_NAME, call.body)

    async def work(session: PlatformSession) -> Reply:
        made = await services.accounts.organizations.create(
            session, user_id=call.user_id, name=body.name, client=call.client
        )
        return Reply(201, encode(mine(made)))

    bound = IdempotentRequest(
        PLATFORM_ORGANIZATION_ID,
        call.idempotency_key or "",
        call.method,
        call.target,
        call.body_hash,
        holder=call.person.key_id,
    )
    reply = await services.idempotency.run_platform(bound, work, refusal_reply(call))
    return answer_reply(request, located(reply, "/v1/organizations"))


@get("/v1/organizations")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List the caller's organizations."""
    async with services.db.platform() as session:
        found = await services.accounts.organizations.of_user(session, user_call_of(request).user_id)
    return answer(MyOrganizations(tuple(mine(one) for one in found)))


@get("/v1/organizations/{organization_id:str}")
async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Read an organization."""
    organization_id = organization_in(request)
    async with services.db.tenant(organization_id) as session:
        return answer(await services.accounts.organizations.read(session, organization_id))


@patch("/v1/organizations/{organization_id:str}")
async def rename(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Rename an organization."""
    organization_id, body = organization_in(request), decode_body(_NAME, call_of(request).body)
    async with services.db.tenant(organization_id) as session:
        renamed = await services.accounts.organizations.rename(
            session, organization_id, name=body.name, actor=await actor_of(request, services)
        )
    return answer(renamed)


@delete("/v1/organizations/{organization_id:str}", status_code=204)
async def remove(request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
    """Delete an organization."""
    organization_id, call = organization_in(request), user_call_of(request)
    await services.accounts.reauthentication.require_recent(call.session_id)
    async with services.db.platform() as session:
        await services.accounts.organizations.delete(session, organization_id, user_id=call.user_id, client=call.client)
    services.accounts.permissions.forget("organization", organization_id)
    return no_content()


@get("/v1/organizations/{organization_id:str}/members")
async def members(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List members."""
    organization_id, query = organization_in(request), query_of(request, MemberQuery)
    async with services.db.tenant(organization_id) as session:
        page = await services.accounts.members.page(session, organization_id, limit=query.limit, cursor=query.cursor)
    return answer(MemberPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@patch("/v1/organizations/{organization_id:str}/members/{user_id:str}")
async def change_member(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Give a member another role."""
    organization_id, user_id = organization_in(request), path_id(request, "user_id")
    body = decode_body(_MEMBER, call_of(request).body)
    async with services.db.tenant(organization_id) as session:
        member = await services.accounts.members.change_role(
            session, organization_id, user_id, role=body.role, actor=await actor_of(request, services)
        )
    services.accounts.permissions.forget("organization", organization_id)
    return answer(changed_member(member))


@delete("/v1/organizations/{organization_id:str}/members/{user_id:str}", status_code=200)
async def remove_member(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Remove a member."""
    organization_id, user_id = organization_in(request), path_id(request, "user_id")
    async with services.db.tenant(organization_id) as session:
        lost = await services.accounts.members.remove(
            session, organization_id, user_id, actor=await actor_of(request, services)
        )
    services.accounts.permissions.forget("organization", organization_id)
    return answer(lost)


@post("/v1/organizations/{organization_id:str}/leave", status_code=204)
async def leave(request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
    """Leave an organization."""
    organization_id, call = organization_in(request), user_call_of(request)
    whole = await services.accounts.reauthentication.is_whole(call.session_id)
    actor = Actor(call.person.key_id, user_id=call.user_id, client=call.client, whole=whole)
    async with services.db.tenant(organization_id) as session:
        await services.accounts.members.leave(session, organization_id, actor=actor)
    services.accounts.permissions.forget("organization", organization_id)
    return no_content()


@post("/v1/organizations/{organization_id:str}/transfer-ownership", status_code=200)
async def transfer_ownership(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Make another member the owner."""
    organization_id, call = organization_in(request), user_call_of(request)
    body = decode_body(_OWNER, call.body)
    await services.accounts.reauthentication.require_recent(call.session_id)
    actor = Actor(call.person.key_id, user_id=call.user_id, client=call.client)
    async with services.db.tenant(organization_id) as session:
        owner = await services.accounts.members.transfer_ownership(
            session, organization_id, to=body.user_id, actor=actor
        )
    services.accounts.permissions.forget("organization", organization_id)
    return answer(changed_member(owner))


@get("/v1/organizations/{organization_id:str}/roles")
async def roles(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List roles."""
    organization_id = organization_in(request)
    async with services.db.tenant(organization_id) as session:
        return answer(RoleList(await services.accounts.roles.list(session, organization_id)))


@post("/v1/organizations/{organization_id:str}/roles", status_code=201)
async def create_role(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Make a role."""
    organization_id, call = organization_in(request), call_of(request)
    body = decode_body(_ROLE, call.body)

    async def work(session: TenantSession) -> Reply:
        role = await services.accounts.roles.create(
            session,
            organization_id,
            name=body.name,
            description=body.description,
            permissions=body.permissions,
            actor=await actor_of(request, services),
        )
        return Reply(201, encode(role))

    reply = await services.idempotency.run(own_request(request, organization_id), work, refusal_reply(call))
    return answer_reply(request, reply)


@patch("/v1/organizations/{organization_id:str}/roles/{role_id:str}")
async def change_role(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Change a role."""
    organization_id, role_id = organization_in(request), path_id(request, "role_id")
    body = decode_body(_ROLE_CHANGE, call_of(request).body)
    async with services.db.tenant(organization_id) as session:
        role = await services.accounts.roles.change(
            session,
            organization_id,
            role_id,
            name=body.name,
            description=body.description,
            permissions=body.permissions,
            actor=await actor_of(request, services),
        )
    services.accounts.permissions.forget("organization", organization_id)
    return answer(changed_role(role))


@delete("/v1/organizations/{organization_id:str}/roles/{role_id:str}", status_code=204)
async def delete_role(request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
    """Remove a role."""
    organization_id, role_id = organization_in(request), path_id(request, "role_id")
    async with services.db.tenant(organization_id) as session:
        await services.accounts.roles.delete(session, organization_id, role_id, actor=await actor_of(request, services))
    return no_content()


@get("/v1/organizations/{organization_id:str}/security-events")
async def security_events(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List security events."""
    organization_id, query = organization_in(request), query_of(request, PageQuery)
    async with services.db.tenant(organization_id) as session:
        page = await organization_events(session, organization_id, limit=query.limit, cursor=query.cursor)
    return answer(EventPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


def located(reply: Reply, collection: str) -> Reply:
    """Say where what was made can be read, also when the answer is given again."""
    if reply.status != 201:  # noqa: PLR2004 — Created
        return reply
    made = msgspec.json.decode(reply.body)
    return msgspec.structs.replace(reply, location=f"{collection}/{made['id']}")


router = Router(
    "/",
    route_handlers=[
        create,
        index,
        read,
        rename,
        remove,
        members,
        change_member,
        remove_member,
        leave,
        transfer_ownership,
        roles,
        create_role,
        change_role,
        delete_role,
        security_events,
    ],
)
