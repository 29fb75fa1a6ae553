"""API keys, and service credentials for signed requests: the same five routes for both."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import CONFLICT, NOT_ALLOWED, NOT_FOUND, REAUTHENTICATION_REQUIRED
from singr_api.organizations.credentials import examples, schemas
from singr_api.organizations.shared import acting
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_auth.accounts.organizations import Actor, CredentialKind, Revoked
from singr_db import TenantSession

Declared = TypeVar("Declared", bound=Callable[..., Awaitable[Any]])
_MAKES: Final[dict[str, Any]] = {"scope": "api_keys:write", "idempotent": True, "sealed": True}
_KEY_ID: Final = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_]+$"}


def _section(tag: str, kind: CredentialKind, one: str, many: str) -> Section:
    async def of_kind() -> CredentialKind:
        return kind

    return Section(
        tag,
        access=Access.CALLER,
        scope="api_keys:read",
        gives={"actor": acting, "kind": of_kind},
        words={"one": one, "many": many},
    )


api_keys = _section("API keys", "api_key", "key", "API keys")
service_credentials = _section("Service credentials", "signing", "service credential", "service credentials")


class _Kind(msgspec.Struct, frozen=True):
    section: Section
    path: str
    noun: str
    key_id: str
    secret: str

    @property
    def listed(self) -> dict[str, Any]:
        return examples.listed(self.key_id)

    def made(self, replaces: str | None = None) -> Answer:
        example = examples.made(self.key_id, self.secret, replaces=replaces)
        says = "Created." if replaces is None else "The successor."
        return Answer(says, status=201, made=Example("With its secret", example))


_KINDS: Final = (
    _Kind(api_keys, "/v1/api-keys", "ApiKey", "ak_5Tn3Xw8yLm1Po6Qr2", "sk_live_" + "0" * 49),
    _Kind(service_credentials, "/v1/service-credentials", "ServiceCredential", "sg_5Tn3Xw8yLm1Po6Qr2", "0" * 43),
)


def _both(
    method: str, more: str, name: str, answer: Callable[[_Kind], Answer], **declared: Any
) -> Callable[[Declared], Declared]:
    """Declare a route of either kind: `more` follows their paths, and `name` is of the operation."""
    if "{key_id}" in more:
        declared["path_schemas"] = {"key_id": _KEY_ID}

    def declare(function: Declared) -> Declared:
        for kind in _KINDS:
            line = f"{method} {kind.path}{more}"
            kind.section.route(line, name.format(kind.noun), answer(kind), **declared)(function)
        return function

    return declare


@_both("GET", "", "list{}s", lambda kind: page_with(kind.listed, one="One"))
async def index(
    session: TenantSession,
    services: Services,
    query: schemas.CredentialQuery,
    organization_id: UUID,
    kind: CredentialKind,
) -> schemas.CredentialPage:
    """List {many}.

    Newest first, in any state, with their last use; secrets are never shown.
    """
    page = await services.credentials.page(session, organization_id, kind, limit=query.limit, cursor=query.cursor)
    return schemas.CredentialPage(tuple(schemas.shown(one, organization_id) for one in page.items), page.next_cursor)


@_both(
    "POST",
    "",
    "create{}",
    lambda kind: kind.made(),
    query=OrganizationQuery,
    body_examples={"till": Example("For a point of sale", examples.FOR_A_TILL)},
    problems=(NOT_ALLOWED, REAUTHENTICATION_REQUIRED, CONFLICT, NOT_FOUND),
    **_MAKES,
)
async def create(
    *,
    session: TenantSession,
    services: Services,
    organization_id: UUID,
    body: schemas.CreateCredential,
    actor: Actor,
    kind: CredentialKind,
) -> schemas.NewCredentialView:
    """Create a {one}.

    The secret is shown only here; repeating the same request with the same idempotency key returns it again. The key
    can do no more than you, and if you are a credential yourself, it expires no later than you. `expires_at` is at most
    ten years ahead. Owners are told. Since the key outlives your session, the session must have proved the second
    factor, if one is on.

    You hold the key: it never does more than you currently may, and it is revoked when you leave. For a program that
    must outlive its creator, an owner creates the key with `holder: organization`.
    """
    new = await services.credentials.create(session, organization_id, kind, **asdict(body), actor=actor)
    return schemas.made(new, organization_id)


@_both(
    "GET",
    "/{key_id}",
    "read{}",
    lambda kind: Answer("The credential.", one=Example("One", kind.listed)),
    query=OrganizationQuery,
)
async def read(
    session: TenantSession, services: Services, organization_id: UUID, key_id: str, kind: CredentialKind
) -> schemas.CredentialView:
    """Read a {one}.

    In any state, with its last use; the secret is never shown.
    """
    return schemas.shown(await services.credentials.read(session, organization_id, kind, key_id), organization_id)


@_both(
    "POST",
    "/{key_id}/rotate",
    "rotate{}",
    lambda kind: kind.made(replaces=examples.REPLACED),
    query=OrganizationQuery,
    body_examples={"hour": Example("One hour to switch over", {"overlap_seconds": 3600})},
    problems=(NOT_ALLOWED, REAUTHENTICATION_REQUIRED, CONFLICT),
    **_MAKES,
)
async def rotate(
    *,
    session: TenantSession,
    services: Services,
    organization_id: UUID,
    key_id: str,
    actor: Actor,
    kind: CredentialKind,
    body: schemas.RotateCredential | None = None,
) -> schemas.NewCredentialView:
    """Rotate a {one}.

    Creates a successor with the same name, scopes and lifetime. The old key is accepted for another `overlap_seconds`,
    24 hours by default; with 0 it is refused within a second. The caller who receives the secret holds the successor; a
    key of the organization itself can be rotated by owners, and by itself. A session must have proved the second
    factor, if one is on.
    """
    overlap = (body or schemas.RotateCredential()).overlap_seconds
    new = await services.credentials.rotate(
        session, organization_id, kind, key_id, overlap_seconds=overlap, actor=actor
    )
    return schemas.made(new, organization_id, replaces=key_id)


@_both(
    "DELETE",
    "/{key_id}",
    "revoke{}",
    lambda _: Answer(
        "What was revoked, and what stays.",
        rotated=Example("A key that was rotated by a person and had created another", examples.REVOKED),
    ),
    query=OrganizationQuery,
    problems=(CONFLICT,),
    scope="api_keys:revoke",
    one_factor="It takes power away: whoever finds a leak must not be held up.",
)
async def revoke(
    *,
    session: TenantSession,
    services: Services,
    organization_id: UUID,
    key_id: str,
    actor: Actor,
    kind: CredentialKind,
) -> Revoked:
    """Revoke a {one}.

    It is refused everywhere within a second, and so are its predecessors and the credentials that any of them created,
    including a successor created by itself. A successor created by a person, or by another program that remains
    trusted, stays. Open invitations that they sent are revoked. Their scheduled jobs are cancelled, unless a successor
    stays. The response lists what was revoked, and which successors stay.
    """
    return await services.credentials.revoke(session, organization_id, kind, key_id, actor=actor)
