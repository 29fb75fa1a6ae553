"""Routes of registration."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency

from singr_api.admission.call import anonymous_call_of, answer
from singr_api.http.validation import decode_body
from singr_api.identity.registration.schemas import Accepted, AddressOnly, Register, Verified, VerifyEmailAddress
from singr_api.wiring.services import Services
from singr_auth.accounts import NewAccount
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]
_REGISTER: Final = msgspec.json.Decoder(Register, strict=True)
_VERIFY: Final = msgspec.json.Decoder(VerifyEmailAddress, strict=True)
_ADDRESS: Final = msgspec.json.Decoder(AddressOnly, strict=True)


@post("/v1/auth/register", status_code=202)
async def register(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Make an account."""
    call = anonymous_call_of(request)
    body = decode_body(_REGISTER, call.body)
    account = NewAccount(body.email, body.name, Secret(body.password), body.account_type)
    await services.accounts.registration.register(account, call.client)
    return answer(Accepted(), status=202)


@post("/v1/auth/email/verify", status_code=200)
async def verify(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Prove that an address is one's own, by link or by code."""
    call = anonymous_call_of(request)
    body = decode_body(_VERIFY, call.body)
    verification = services.accounts.email_verification
    if body.token is not None:
        password_kept = await verification.verify_link(Secret(body.token), call.client)
    else:
        password_kept = await verification.verify_code(body.email or "", body.code or "", call.client)
    return answer(Verified("verified", password_kept))


@post("/v1/auth/email/resend", status_code=202)
async def resend(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Send the mail that verifies an address once more."""
    call = anonymous_call_of(request)
    body = decode_body(_ADDRESS, call.body)
    await services.accounts.email_verification.resend(body.email, call.client)
    return answer(Accepted(), status=202)


router = Router("/", route_handlers=[register, verify, resend])
