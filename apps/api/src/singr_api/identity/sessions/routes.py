"""Routes of sessions."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency

from singr_api.admission.browser import access_tokens_of, clear_cookies, refresh_cookie, signed_in_answer
from singr_api.admission.call import anonymous_call_of, answer, path_id, query_of, user_call_of
from singr_api.http.problems import FieldError, invalid, password_refused
from singr_api.http.validation import decode_body
from singr_api.identity.sessions.schemas import (
    BackupCodeProof,
    CodeSent,
    PasskeyFactor,
    PasskeyProof,
    PasswordFactor,
    PasswordProof,
    ReauthenticateBody,
    Reauthenticated,
    RefreshBody,
    SecondFactorBody,
    SendCodeBody,
    SessionList,
    SignedOutEverywhere,
    SignOutBody,
    SignOutQuery,
)
from singr_api.wiring.services import Services
from singr_auth import AccessToken, AccessTokenError
from singr_auth.accounts import RECENT_SECONDS, InvalidCredentialsError, RefreshReusedError, SessionEndedError
from singr_config import Secret

AnyRequest = Request[Any, Any, Any]

_refresh_body = msgspec.json.Decoder(RefreshBody, strict=True)
_sign_out_body = msgspec.json.Decoder(SignOutBody, strict=True)
_send_body = msgspec.json.Decoder(SendCodeBody, strict=True)
_verify_body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(SecondFactorBody, strict=True)
_proof_body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ReauthenticateBody, strict=True)


@post("/v1/auth/refresh", status_code=200)
async def refresh(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Exchange a refresh token."""
    call = anonymous_call_of(request)
    body = decode_body(_refresh_body, call.body)
    token = body.refresh_token or refresh_cookie(request)
    if token is None and body.delivery == "body":
        message = "is required, unless the browser sends the refresh token as a cookie"
        raise invalid(FieldError("refresh_token", message, "body", "required"))
    if body.refresh_token is None and body.delivery == "body":
        # A script must not be able to read what was put where scripts cannot read.
        message = 'must be "cookie" where the refresh token comes as a cookie'
        raise invalid(FieldError("delivery", message, "body", "unknown_value"))
    if token is None:  # a page cannot see whether the cookie is still there: to it, the session has ended
        clear_cookies(request)
        raise SessionEndedError
    try:
        result = await services.accounts.refresh_rotation.refresh(Secret(token), call.client)
    except (SessionEndedError, RefreshReusedError):
        if body.refresh_token is None:
            clear_cookies(request)
        raise
    return signed_in_answer(request, result, body.delivery, call.client)


@post("/v1/auth/sign-out", status_code=204)
async def sign_out(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """End the session that asks: that of its access token, or of its refresh token where that one is none any more."""
    call = anonymous_call_of(request)
    body = decode_body(_sign_out_body, call.body) if call.body else SignOutBody()
    claims = _access_claims(request, services)
    token = body.refresh_token or refresh_cookie(request)
    if claims is not None:
        await services.accounts.sessions.sign_out(claims.user_id, claims.session_id, call.client)
    elif token is not None:
        await services.accounts.sessions.sign_out_by_token(Secret(token), call.client)
    clear_cookies(request)


@post("/v1/auth/sign-out-everywhere", status_code=200)
async def sign_out_everywhere(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """End all sessions."""
    call, query = user_call_of(request), query_of(request, SignOutQuery)
    keep = call.session_id if query.keep == "current" else None
    ended = await services.accounts.sessions.sign_out_everywhere(call.user_id, call.client, keep=keep)
    if keep is None:
        clear_cookies(request)
    return answer(SignedOutEverywhere(ended))


@get("/v1/auth/sessions")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List one's sessions."""
    call = user_call_of(request)
    return answer(SessionList(await services.accounts.sessions.list(call.user_id, current=call.session_id)))


@delete("/v1/auth/sessions/{session_id:str}", status_code=204)
async def revoke(request: AnyRequest, services: NamedDependency[Services]) -> None:
    """End one session."""
    call, session_id = user_call_of(request), path_id(request, "session_id")
    await services.accounts.sessions.revoke(call.user_id, session_id, call.client, by=call.session_id)
    if session_id == call.session_id:
        clear_cookies(request)


@post("/v1/auth/second-factor/send", status_code=202)
async def send_code(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Send a code for the second step."""
    call = anonymous_call_of(request)
    body = decode_body(_send_body, call.body)
    flow = services.accounts.second_factor_sign_in
    return answer(CodeSent(await flow.send(Secret(body.challenge_token), body.method, call.client)), status=202)


@post("/v1/auth/second-factor/verify", status_code=200)
async def verify(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Take the second step of a sign-in."""
    call = anonymous_call_of(request)
    body = decode_body(_verify_body, call.body)
    token, accounts = Secret(body.challenge_token), services.accounts
    options = {"remember_device": body.remember_device, "delivery": body.delivery}
    if isinstance(body, PasskeyFactor):
        result = await accounts.passkey_sign_in.second_factor(token, body.credential, call.client, **options)
    elif isinstance(body, PasswordFactor):
        flow = accounts.second_factor_sign_in
        result = await flow.verify_password(token, Secret(body.password), call.client, **options)
    else:
        method = type(body).__struct_config__.tag
        result = await accounts.second_factor_sign_in.verify(token, method, body.code, call.client, **options)
    return signed_in_answer(request, result, body.delivery, call.client)


@post("/v1/auth/reauthenticate", status_code=200)
async def reauthenticate(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Prove presence anew."""
    call = user_call_of(request)
    body, accounts = decode_body(_proof_body, call.body), services.accounts
    who, proof, left = (call.user_id, call.session_id), accounts.reauthentication, None
    if isinstance(body, PasskeyProof):
        at = await accounts.passkeys.prove_presence(*who, body.credential, call.client)
    elif isinstance(body, PasswordProof):
        try:
            at = await proof.by_password(*who, Secret(body.password), call.client)
        except InvalidCredentialsError:
            raise password_refused("password") from None
    elif isinstance(body, BackupCodeProof):
        at, left = await proof.by_backup_code(*who, body.code, call.client)
    else:
        at = await proof.by_totp(*who, body.code, call.client)
    return answer(Reauthenticated(at, RECENT_SECONDS, left))


def _access_claims(request: AnyRequest, services: Services) -> AccessToken | None:
    """Return what the first good access token says; None where there is none, which is no failed sign-in here."""
    for token in access_tokens_of(request):
        try:
            return services.accounts.tokens.verify(token)
        except AccessTokenError:
            continue
    return None


router = Router(
    "/",
    route_handlers=[
        refresh,
        sign_out,
        sign_out_everywhere,
        index,
        revoke,
        send_code,
        verify,
        reauthenticate,
    ],
)
