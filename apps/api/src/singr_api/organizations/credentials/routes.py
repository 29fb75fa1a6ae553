"""Routes of API keys and of service credentials for signed requests: the same five for both."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from singr_api.admission.call import answer, answer_reply, call_of, organization_of, query_of, refusal_reply
from singr_api.admission.idempotency import Reply
from singr_api.admission.idempotency import Request as IdempotentRequest
from singr_api.http.fields import OrganizationQuery
from singr_api.http.pages import link_next
from singr_api.http.validation import decode_body, encode
from singr_api.organizations.credentials.schemas import (
    CreateCredential,
    CredentialPage,
    CredentialQuery,
    RotateCredential,
    made,
    shown,
)
from singr_api.organizations.organizations.routes import actor_of
from singr_api.wiring.services import Services
from singr_auth.accounts.organizations import Actor, CredentialKind
from singr_db import TenantSession

AnyRequest = Request[Any, Any, Any]
_CREATE: Final = msgspec.json.Decoder(CreateCredential, strict=True)
_ROTATE: Final = msgspec.json.Decoder(RotateCredential, strict=True)


async def _index(request: AnyRequest, services: Services, kind: CredentialKind) -> Response[bytes]:
    query = query_of(request, CredentialQuery)
    organization_id = organization_of(call_of(request).principal, query.organization_id)
    async with services.db.tenant(organization_id) as session:
        page = await services.credentials.page(session, organization_id, kind, limit=query.limit, cursor=query.cursor)
    items = tuple(shown(one, organization_id) for one in page.items)
    return answer(CredentialPage(items, page.next_cursor), headers=link_next(request, page.next_cursor))


async def _create(request: AnyRequest, services: Services, kind: CredentialKind) -> Response[bytes]:
    organization_id, actor = await _for_whom(request, services)
    call = call_of(request)
    body = decode_body(_CREATE, call.body)

    async def work(session: TenantSession) -> Reply:
        new = await services.credentials.create(
            session,
            organization_id,
            kind,
            name=body.name,
            scopes=body.scopes,
            expires_at=body.expires_at,
            holder=body.holder,
            actor=actor,
        )
        return Reply(201, encode(made(new, organization_id)))

    bound = _bound(request, organization_id)
    return answer_reply(request, await services.idempotency.run(bound, work, refusal_reply(call), sealed=True))


async def _read(request: AnyRequest, services: Services, kind: CredentialKind) -> Response[bytes]:
    principal = call_of(request).principal
    organization_id = organization_of(principal, query_of(request, OrganizationQuery).organization_id)
    async with services.db.tenant(organization_id) as session:
        found = await services.credentials.read(session, organization_id, kind, request.path_params["key_id"])
    return answer(shown(found, organization_id))


async def _rotate(request: AnyRequest, services: Services, kind: CredentialKind) -> Response[bytes]:
    organization_id, actor = await _for_whom(request, services)
    call, key_id = call_of(request), request.path_params["key_id"]
    body = decode_body(_ROTATE, call.body) if call.body else RotateCredential()

    async def work(session: TenantSession) -> Reply:
        new = await services.credentials.rotate(
            session, organization_id, kind, key_id, overlap_seconds=body.overlap_seconds, actor=actor
        )
        return Reply(201, encode(made(new, organization_id, replaces=key_id)))

    bound = _bound(request, organization_id)
    return answer_reply(request, await services.idempotency.run(bound, work, refusal_reply(call), sealed=True))


async def _revoke(request: AnyRequest, services: Services, kind: CredentialKind) -> Response[bytes]:
    organization_id, actor = await _for_whom(request, services)
    key_id = request.path_params["key_id"]
    async with services.db.tenant(organization_id) as session:
        return answer(await services.credentials.revoke(session, organization_id, kind, key_id, actor=actor))


async def _for_whom(request: AnyRequest, services: Services) -> tuple[UUID, Actor]:
    principal = call_of(request).principal
    organization_id = organization_of(principal, query_of(request, OrganizationQuery).organization_id)
    return organization_id, await actor_of(request, services)


def _bound(request: AnyRequest, organization_id: UUID) -> IdempotentRequest:
    call = call_of(request)
    # the kept answer holds a secret: another caller who sends the same key and body must not be given it
    return IdempotentRequest(
        organization_id,
        call.idempotency_key or "",
        call.method,
        call.target,
        call.body_hash,
        holder=call.principal.key_id,
    )


def _handlers(path: str, kind: CredentialKind) -> list[ControllerRouterHandler]:
    @get(path)
    async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
        """List credentials."""
        return await _index(request, services, kind)

    @post(path, status_code=201)
    async def create(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
        """Make a credential."""
        return await _create(request, services, kind)

    @get(path + "/{key_id:str}")
    async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
        """Read a credential."""
        return await _read(request, services, kind)

    @post(path + "/{key_id:str}/rotate", status_code=201)
    async def rotate(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
        """Replace a credential."""
        return await _rotate(request, services, kind)

    @delete(path + "/{key_id:str}", status_code=200)
    async def revoke(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
        """Revoke a credential."""
        return await _revoke(request, services, kind)

    return [index, create, read, rotate, revoke]


router = Router(
    "/", route_handlers=[*_handlers("/v1/api-keys", "api_key"), *_handlers("/v1/service-credentials", "signing")]
)
