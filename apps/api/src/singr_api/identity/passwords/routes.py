"""Routes of passwords."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency

from singr_api.admission.call import anonymous_call_of, answer, user_call_of
from singr_api.http.problems import FieldError, invalid, password_refused
from singr_api.http.validation import decode_body
from singr_api.identity.passwords.schemas import ChangePassword, PasswordSet, Reset
from singr_api.identity.registration.schemas import Accepted, AddressOnly
from singr_api.wiring.services import Services
from singr_auth import WeakPasswordError
from singr_auth.accounts import InvalidCredentialsError
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]
_ADDRESS: Final = msgspec.json.Decoder(AddressOnly, strict=True)
_RESET: Final = msgspec.json.Decoder(Reset, strict=True)
_CHANGE: Final = msgspec.json.Decoder(ChangePassword, strict=True)


@post("/v1/auth/password/forgot", status_code=202)
async def forgot(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Ask for a link to choose a new password."""
    call = anonymous_call_of(request)
    body = decode_body(_ADDRESS, call.body)
    await services.accounts.recovery.forgot(body.email, call.client)
    return answer(Accepted(), status=202)


@post("/v1/auth/password/reset", status_code=200)
async def reset(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Choose a new password by the link."""
    call = anonymous_call_of(request)
    body = decode_body(_RESET, call.body)
    await services.accounts.recovery.reset(Secret(body.token), Secret(body.password), call.client)
    return answer(PasswordSet())


@post("/v1/auth/password/change", status_code=200)
async def change(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Change the password of somebody who is signed in."""
    call = user_call_of(request)
    body = decode_body(_CHANGE, call.body)
    try:
        await services.accounts.recovery.change(
            call.user_id,
            call.session_id,
            current=Secret(body.current_password),
            new=Secret(body.new_password),
            client=call.client,
        )
    except InvalidCredentialsError:
        raise password_refused("current_password") from None
    except WeakPasswordError as error:
        raise invalid(FieldError("new_password", error.message, "body", error.code)) from None
    return answer(PasswordSet())


router = Router("/", route_handlers=[forgot, reset, change])
