"""Routes of invitations: of an organization's side, and of whoever is invited."""

from typing import Final

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency

from singr_api.admission.call import (
    anonymous_call_of,
    answer,
    answer_reply,
    call_of,
    path_id,
    query_of,
    refusal_reply,
    user_call_of,
)
from singr_api.admission.idempotency import Reply
from singr_api.http.pages import link_next
from singr_api.http.validation import decode_body, encode
from singr_api.organizations.organizations.routes import AnyRequest, actor_of, no_content, organization_in, own_request
from singr_api.organizations.organizations.schemas import (
    CreateInvitation,
    InvitationPage,
    InvitationToken,
    NewMember,
    OwnInvitationPage,
    PageQuery,
    RegisterByInvitation,
    mine,
)
from singr_api.wiring.services import Services
from singr_config import Secret
from singr_db import TenantSession

_CREATE: Final = msgspec.json.Decoder(CreateInvitation, strict=True)
_TOKEN: Final = msgspec.json.Decoder(InvitationToken, strict=True)
_REGISTER: Final = msgspec.json.Decoder(RegisterByInvitation, strict=True)


@get("/v1/organizations/{organization_id:str}/invitations")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List invitations."""
    organization_id, query = organization_in(request), query_of(request, PageQuery)
    async with services.db.tenant(organization_id) as session:
        page = await services.accounts.invitations.page(
            session, organization_id, limit=query.limit, cursor=query.cursor
        )
    return answer(InvitationPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@post("/v1/organizations/{organization_id:str}/invitations", status_code=201)
async def create(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Invite somebody."""
    organization_id, call = organization_in(request), call_of(request)
    body = decode_body(_CREATE, call.body)

    async def count() -> None:
        await services.accounts.invitation_limits.count_new(organization_id, body.email)

    async def work(session: TenantSession) -> Reply:
        made = await services.accounts.invitations.create(
            session, organization_id, email=body.email, role=body.role, actor=await actor_of(request, services)
        )
        return Reply(201, encode(made))

    bound = own_request(request, organization_id)
    return answer_reply(request, await services.idempotency.run(bound, work, refusal_reply(call), first=count))


@post("/v1/organizations/{organization_id:str}/invitations/{invitation_id:str}/resend", status_code=200)
async def resend(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Send an invitation again."""
    organization_id, invitation_id = organization_in(request), path_id(request, "invitation_id")

    async def count() -> None:
        await services.accounts.invitation_limits.count_resent(organization_id, invitation_id)

    async def work(session: TenantSession) -> Reply:
        sent = await services.accounts.invitations.resend(
            session, organization_id, invitation_id, actor=await actor_of(request, services)
        )
        return Reply(200, encode(sent))

    bound = own_request(request, organization_id)
    refusal = refusal_reply(call_of(request))
    return answer_reply(request, await services.idempotency.run(bound, work, refusal, first=count))


@delete("/v1/organizations/{organization_id:str}/invitations/{invitation_id:str}", status_code=204)
async def revoke(request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
    """Take an invitation back."""
    organization_id, invitation_id = organization_in(request), path_id(request, "invitation_id")
    async with services.db.tenant(organization_id) as session:
        await services.accounts.invitations.revoke(
            session, organization_id, invitation_id, actor=await actor_of(request, services)
        )
    return no_content()


@post("/v1/invitations/preview", status_code=200)
async def preview(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Say what a link invites to."""
    body = decode_body(_TOKEN, anonymous_call_of(request).body)
    async with services.db.platform() as session:
        return answer(await services.accounts.invitations.preview(session, body.token))


@post("/v1/invitations/accept", status_code=200)
async def accept(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Accept an invitation as the person who is signed in."""
    call = user_call_of(request)
    body = decode_body(_TOKEN, call.body)
    async with services.db.platform() as session:
        place = await services.accounts.invitations.accept(
            session, body.token, user_id=call.user_id, client=call.client
        )
    services.accounts.permissions.forget("organization", place.organization.id)
    return answer(mine(place))


@post("/v1/invitations/register", status_code=201)
async def register(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Register by an invitation."""
    call = anonymous_call_of(request)
    body = decode_body(_REGISTER, call.body)
    joined = await services.accounts.invited_registration.register(
        body.token, name=body.name, password=Secret(body.password), client=call.client
    )
    services.accounts.permissions.forget("organization", joined.membership.organization.id)
    return answer(NewMember(joined.user_id, mine(joined.membership)), status=201)


@get("/v1/me/invitations")
async def own(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List the caller's own open invitations."""
    call, query = user_call_of(request), query_of(request, PageQuery)
    async with services.db.platform() as session:
        page = await services.accounts.own_invitations.page(
            session, call.user_id, limit=query.limit, cursor=query.cursor
        )
    return answer(OwnInvitationPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@post("/v1/me/invitations/{invitation_id:str}/decline", status_code=204)
async def decline(request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
    """Decline an invitation as the person who is signed in."""
    call, invitation_id = user_call_of(request), path_id(request, "invitation_id")
    async with services.db.platform() as session:
        await services.accounts.own_invitations.decline(
            session, invitation_id, user_id=call.user_id, client=call.client
        )
    return no_content()


router = Router("/", route_handlers=[index, create, resend, revoke, preview, accept, register, own, decline])
