"""Routes of signing in."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency

from singr_api.admission.browser import signed_in_answer
from singr_api.admission.call import anonymous_call_of, answer
from singr_api.http.validation import decode_body
from singr_api.identity.registration.schemas import Accepted
from singr_api.identity.sign_in.schemas import AskForLink, RedeemLink, SignIn, from_device
from singr_api.wiring.services import Services
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]
_SIGN_IN: Final = msgspec.json.Decoder(SignIn, strict=True)
_ASK: Final = msgspec.json.Decoder(AskForLink, strict=True)
_REDEEM: Final = msgspec.json.Decoder(RedeemLink, strict=True)


@post("/v1/auth/sign-in", status_code=200)
async def sign_in(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Sign in by password."""
    call = anonymous_call_of(request)
    body = decode_body(_SIGN_IN, call.body)
    client = from_device(call.client, body.device_token)
    result = await services.accounts.password_sign_in.sign_in(
        body.email, Secret(body.password), client, delivery=body.delivery
    )
    return signed_in_answer(request, result, body.delivery, client)


@post("/v1/auth/magic-link", status_code=202)
async def ask(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Ask for a link that signs in."""
    call = anonymous_call_of(request)
    body = decode_body(_ASK, call.body)
    links = services.accounts.magic_links
    if body.phone is not None:
        await links.request_by_sms(body.phone, call.client)
    else:
        await links.request_by_email(body.email or "", call.client)
    return answer(Accepted(), status=202)


@post("/v1/auth/magic-link/redeem", status_code=200)
async def redeem(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Sign in by the link."""
    call = anonymous_call_of(request)
    body = decode_body(_REDEEM, call.body)
    client = from_device(call.client, body.device_token)
    result = await services.accounts.magic_links.redeem(Secret(body.token), client, delivery=body.delivery)
    return signed_in_answer(request, result, body.delivery, client)


router = Router("/", route_handlers=[sign_in, ask, redeem])
