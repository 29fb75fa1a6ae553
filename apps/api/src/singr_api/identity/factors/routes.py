"""Routes of second factors, backup codes, devices and phone numbers."""

from base64 import b64encode
from typing import Any, Final, get_args

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.di import NamedDependency

from singr_api.admission.browser import client_info
from singr_api.admission.call import answer, answer_reply, call_of, path_id, query_of, refusal_reply, user_call_of
from singr_api.admission.idempotency import Reply
from singr_api.admission.idempotency import Request as IdempotentRequest
from singr_api.http.problems import NOT_FOUND, ORGANIZATION_FORBIDDEN, FieldError, Problem
from singr_api.http.validation import decode_body, encode
from singr_api.identity.factors.schemas import (
    CodeBody,
    DeviceList,
    EnrolmentQuery,
    FactorAdded,
    FactorsReset,
    NewBackupCodes,
    PhoneBody,
    TotpSecret,
    VerifiedPhone,
)
from singr_api.identity.sessions.schemas import CodeSent
from singr_api.wiring.services import Services
from singr_auth import qr_png, qr_svg
from singr_auth.accounts import CHALLENGE_SECONDS, FactorMethod, SentMethod
from singr_config import Secret
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession

AnyRequest = Request[Any, Any, Any]
SENT_METHODS: Final[tuple[SentMethod, ...]] = get_args(SentMethod)

_code_body = msgspec.json.Decoder(CodeBody, strict=True)
_phone_body = msgspec.json.Decoder(PhoneBody, strict=True)


@get("/v1/me/second-factors")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List one's second factors."""
    return answer(await services.accounts.second_factors.list(user_call_of(request).user_id))


@post("/v1/me/second-factors/totp", status_code=200)
async def begin_totp(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Begin to add an authenticator app."""
    call, query = user_call_of(request), query_of(request, EnrolmentQuery)
    made = await services.accounts.second_factors.begin_totp(call.user_id, call.session_id)
    uri, svg = made.uri.reveal(), query.qr == "svg"
    return answer(
        TotpSecret(
            secret=made.secret.reveal(),
            provisioning_uri=uri,
            expires_in=CHALLENGE_SECONDS,
            qr_svg=qr_svg(uri) if svg else None,
            qr_png=None if svg else f"data:image/png;base64,{b64encode(qr_png(uri)).decode()}",
        )
    )


@post("/v1/me/second-factors/totp/confirm", status_code=200)
async def confirm_totp(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Put an authenticator app in force."""
    call = user_call_of(request)
    body = decode_body(_code_body, call.body)
    codes = await services.accounts.second_factors.confirm_totp(call.user_id, call.session_id, body.code, call.client)
    return answer(FactorAdded("totp", _shown(codes)))


@delete("/v1/me/second-factors/totp", status_code=204)
async def remove_totp(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """Remove the authenticator app."""
    await _remove(request, services, "totp")


@post("/v1/me/second-factors/{method:str}", status_code=201)
async def add(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Add codes that are sent."""
    call, method = user_call_of(request), _method_in(request)
    codes = await services.accounts.second_factors.add(call.user_id, call.session_id, method, call.client)
    return answer(FactorAdded(method, _shown(codes)), status=201)


@delete("/v1/me/second-factors/{method:str}", status_code=204)
async def remove(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """Remove codes that are sent."""
    await _remove(request, services, _method_in(request))


@post("/v1/me/backup-codes", status_code=201)
async def replace_backup_codes(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Replace one's backup codes."""
    call = user_call_of(request)
    flow = services.accounts.second_factors
    codes = await flow.replace_backup_codes(call.user_id, call.session_id, call.client)
    return answer(NewBackupCodes(_shown(codes)), status=201)


@get("/v1/me/devices")
async def devices(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List one's devices."""
    return answer(DeviceList(await services.accounts.devices.list(user_call_of(request).user_id)))


@delete("/v1/me/devices/{device_id:str}", status_code=204)
async def remove_device(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """Forget a device."""
    call, device_id = user_call_of(request), path_id(request, "device_id")
    await services.accounts.devices.remove(call.user_id, device_id, call.client, by=call.session_id)


@put("/v1/me/phone", status_code=202)
async def add_phone(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Add or change one's phone number."""
    call = user_call_of(request)
    body = decode_body(_phone_body, call.body)
    expires_in = await services.accounts.phones.add(call.user_id, call.session_id, body.phone, call.client)
    return answer(CodeSent(expires_in), status=202)


@post("/v1/me/phone/verify", status_code=200)
async def verify_phone(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Verify one's phone number."""
    call = user_call_of(request)
    body = decode_body(_code_body, call.body)
    phone = await services.accounts.phones.verify(call.user_id, body.code, call.client, session_id=call.session_id)
    return answer(VerifiedPhone(phone))


@delete("/v1/me/phone", status_code=204)
async def remove_phone(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """Remove one's phone number."""
    call = user_call_of(request)
    await services.accounts.phones.remove(call.user_id, call.session_id, call.client)


@post("/v1/users/{user_id:str}/reset-second-factors", status_code=200)
async def reset(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Take away the second factors of somebody who has lost them."""
    call, user_id = call_of(request), path_id(request, "user_id")
    principal, client = call.principal, client_info(request)
    if principal.organization_id is not None:
        raise Problem(ORGANIZATION_FORBIDDEN, "This is for those who run the platform, not for an organization.")

    async def work(session: PlatformSession) -> Reply:
        removed = await services.accounts.second_factors.reset(session, user_id, actor=principal.key_id, client=client)
        return Reply(200, encode(FactorsReset(removed)))

    bound = IdempotentRequest(
        PLATFORM_ORGANIZATION_ID,
        call.idempotency_key or "",
        call.method,
        call.target,
        call.body_hash,
        holder=principal.key_id,
    )
    return answer_reply(request, await services.idempotency.run_platform(bound, work, refusal_reply(call)))


async def _remove(request: AnyRequest, services: Services, method: FactorMethod) -> None:
    call = user_call_of(request)
    await services.accounts.second_factors.remove(call.user_id, call.session_id, method, call.client)


def _method_in(request: AnyRequest) -> SentMethod:
    method = request.path_params["method"]
    for known in SENT_METHODS:
        if known == method:
            return known
    error = FieldError("method", f"must be totp, {', '.join(SENT_METHODS)}", "path", "unknown_value")
    raise Problem(NOT_FOUND, "There is no such kind of second factor.", errors=(error,))


def _shown(codes: tuple[Secret, ...]) -> tuple[str, ...]:
    return tuple(code.reveal() for code in codes)


router = Router(
    "/",
    route_handlers=[
        index,
        begin_totp,
        confirm_totp,
        remove_totp,
        add,
        remove,
        replace_backup_codes,
        devices,
        remove_device,
        add_phone,
        verify_phone,
        remove_phone,
        reset,
    ],
)
