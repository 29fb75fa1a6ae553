"""Routes of passkeys."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency

from singr_api.admission.browser import signed_in_answer
from singr_api.admission.call import anonymous_call_of, answer, path_id, user_call_of
from singr_api.http.problems import CHALLENGE, SIGN_IN_REFUSED, Problem
from singr_api.http.validation import decode_body
from singr_api.identity.passkeys.schemas import (
    AddPasskeyBody,
    CreationOptions,
    CreationOptionsAnswer,
    PasskeyList,
    PasskeySignInBody,
    RenamePasskeyBody,
    RequestOptions,
    RequestOptionsAnswer,
    SecondFactorOptionsBody,
)
from singr_api.wiring.services import Services
from singr_auth.accounts import PasskeyRefusedError
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]
_MILLISECONDS: Final = 1000

_sign_in_body = msgspec.json.Decoder(PasskeySignInBody, strict=True)
_second_factor_body = msgspec.json.Decoder(SecondFactorOptionsBody, strict=True)
_add_body = msgspec.json.Decoder(AddPasskeyBody, strict=True)
_rename_body = msgspec.json.Decoder(RenamePasskeyBody, strict=True)


@post("/v1/auth/passkeys/options", status_code=200)
async def sign_in_options(services: NamedDependency[Services]) -> Response[bytes]:
    """Begin a sign-in."""
    return _request_options(await services.accounts.passkey_sign_in.options())


@post("/v1/auth/passkeys/sign-in", status_code=200)
async def sign_in(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Sign in."""
    call = anonymous_call_of(request)
    body = decode_body(_sign_in_body, call.body)
    try:
        result = await services.accounts.passkey_sign_in.sign_in(body.credential, call.client, delivery=body.delivery)
    except PasskeyRefusedError as error:  # here nobody is known yet; elsewhere it is a wrong answer of somebody known
        raise Problem(SIGN_IN_REFUSED, str(error), headers={"www-authenticate": CHALLENGE}) from None
    return signed_in_answer(request, result, body.delivery, call.client)


@post("/v1/auth/second-factor/passkey", status_code=200)
async def second_factor_options(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Begin the proof of a second factor."""
    body = decode_body(_second_factor_body, anonymous_call_of(request).body)
    flow = services.accounts.passkey_sign_in
    return _request_options(await flow.second_factor_options(Secret(body.challenge_token)))


@post("/v1/auth/reauthenticate/passkey", status_code=200)
async def presence_options(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Begin a proof of presence."""
    return _request_options(await services.accounts.passkeys.presence_options(user_call_of(request).user_id))


@get("/v1/me/passkeys")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List one's passkeys."""
    return answer(PasskeyList(await services.accounts.passkeys.list(user_call_of(request).user_id)))


@post("/v1/me/passkeys/options", status_code=200)
async def creation_options(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Begin to add a passkey."""
    call = user_call_of(request)
    options = msgspec.convert(await services.accounts.passkeys.options(call.user_id, call.session_id), CreationOptions)
    return answer(CreationOptionsAnswer(options, options.timeout // _MILLISECONDS))


@post("/v1/me/passkeys", status_code=201)
async def add(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Add a passkey."""
    call = user_call_of(request)
    body = decode_body(_add_body, call.body)
    passkey = await services.accounts.passkeys.add(
        call.user_id, call.session_id, body.credential, call.client, name=body.name
    )
    return answer(passkey, status=201)


@patch("/v1/me/passkeys/{passkey_id:str}")
async def rename(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Give a passkey another name."""
    call = user_call_of(request)
    passkey_id = path_id(request, "passkey_id")
    body = decode_body(_rename_body, call.body)
    return answer(await services.accounts.passkeys.rename(call.user_id, passkey_id, body.name, call.client))


@delete("/v1/me/passkeys/{passkey_id:str}", status_code=204)
async def remove(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """Take a passkey away."""
    call = user_call_of(request)
    passkey_id = path_id(request, "passkey_id")
    await services.accounts.passkeys.remove(call.user_id, call.session_id, passkey_id, call.client)


def _request_options(options: dict[str, Any]) -> Response[bytes]:
    public_key = msgspec.convert(options, RequestOptions)
    return answer(RequestOptionsAnswer(public_key, public_key.timeout // _MILLISECONDS))


router = Router(
    "/",
    route_handlers=[
        sign_in_options,
        sign_in,
        second_factor_options,
        presence_options,
        index,
        creation_options,
        add,
        rename,
        remove,
    ],
)
