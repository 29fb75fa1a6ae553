"""Routes of a person's own account."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency

from singr_api.admission.browser import clear_cookies
from singr_api.admission.call import anonymous_call_of, answer, query_of, user_call_of
from singr_api.http.pages import link_next
from singr_api.http.validation import decode_body
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
from singr_api.identity.registration.schemas import Accepted
from singr_api.wiring.services import Services
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]
_PROFILE: Final = msgspec.json.Decoder(ChangeProfile, strict=True)
_EMAIL: Final = msgspec.json.Decoder(ChangeEmail, strict=True)
_CONFIRM: Final = msgspec.json.Decoder(ConfirmEmail, strict=True)
_UNDO: Final = msgspec.json.Decoder(UndoEmailChange, strict=True)


@get("/v1/me")
async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Read one's own account."""
    return answer(await services.accounts.profiles.read(user_call_of(request).user_id))


@patch("/v1/me")
async def change(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Change one's name."""
    call = user_call_of(request)
    body = decode_body(_PROFILE, call.body)
    return answer(await services.accounts.profiles.rename(call.user_id, body.name, call.client))


@delete("/v1/me", status_code=204)
async def end(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """End one's account."""
    call = user_call_of(request)
    await services.accounts.profiles.delete(call.user_id, call.session_id, call.client)
    clear_cookies(request)


@get("/v1/me/security-events")
async def events(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List what happened to one's account, newest first."""
    query = query_of(request, EventQuery)
    page = await services.accounts.profiles.events(
        user_call_of(request).user_id, limit=query.limit, cursor=query.cursor
    )
    return answer(SecurityEventPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@post("/v1/auth/email/change", status_code=202)
async def change_email(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Ask for another address."""
    call = user_call_of(request)
    body = decode_body(_EMAIL, call.body)
    await services.accounts.email_change.request(call.user_id, call.session_id, body.email, call.client)
    return answer(Accepted(), status=202)


@post("/v1/auth/email/change/confirm", status_code=200)
async def confirm_email(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Put the new address in force, by its code or its link, in the session that asked."""
    call = user_call_of(request)
    body = decode_body(_CONFIRM, call.body)
    flow, who = services.accounts.email_change, (call.user_id, call.session_id)
    if body.token is not None:
        await flow.confirm_link(*who, Secret(body.token), call.client)
    else:
        await flow.confirm(*who, body.code or "", call.client)
    return answer(EmailChanged())


@post("/v1/auth/email/change/undo", status_code=200)
async def undo_email_change(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Take the account back to the address of before."""
    call = anonymous_call_of(request)
    body = decode_body(_UNDO, call.body)
    await services.accounts.email_undo.undo(Secret(body.token), call.client)
    return answer(EmailRestored())


router = Router("/", route_handlers=[read, change, end, events, change_email, confirm_email, undo_email_change])
