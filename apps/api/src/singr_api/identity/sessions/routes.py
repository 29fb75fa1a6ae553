"""Sessions: how they go on, and end; the second step of a sign-in, and proofs of presence."""

from typing import Any
from uuid import UUID

from singr_api.admission.browser import (
    AnyRequest,
    SignedInAnswer,
    access_tokens_of,
    clear_cookies,
    refresh_cookie,
    signed_in_answer,
)
from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.problems import FieldError, invalid, password_refused
from singr_api.identity.sessions import schemas
from singr_api.identity.sessions.examples import IN_COOKIES, PROOFS, SECOND_STEPS
from singr_api.identity.shared import (
    CHALLENGE,
    CODE_MESSAGES,
    PASSWORD_TRIES,
    PERSON_TRIES,
    REFRESH,
    SECOND_STEP_TRIES,
    SESSION,
    SIGNED_IN,
    CodeSent,
    SessionList,
    from_device,
)
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth import AccessToken, AccessTokenError
from singr_auth.accounts import (
    RECENT_SECONDS,
    ClientInfo,
    InvalidCredentialsError,
    RefreshReusedError,
    SessionEndedError,
)
from singr_config import Secret

sessions = Section("Sign-in", problems=(problems.UNAVAILABLE,))


@sessions.route(
    "POST /v1/auth/refresh",
    "refreshSession",
    Answer(
        "The next access token and the next refresh token.",
        body=Example("Tokens in the body", SIGNED_IN),
        cookie=Example("Tokens in cookies", IN_COOKIES),
    ),
    body_examples={
        "token": Example("With a token", {"refresh_token": REFRESH}),
        "cookie": Example("A browser, which sends it as a cookie", {"delivery": "cookie"}),
    },
    problems=(problems.SESSION_ENDED, problems.REFRESH_TOKEN_REUSED),
    unguessable=True,
)
async def refresh(
    request: AnyRequest, services: Services, client: ClientInfo, body: schemas.RefreshBody
) -> SignedInAnswer:
    """Exchange a refresh token for the next tokens.

    A refresh token works once. If it is sent again within a short grace period (30 s by default), the same successor is
    returned, so that two tabs or a lost response sign nobody out. If it is sent again later, the whole session ends and
    its owner is told, since somebody else may have it. For a browser that requests cookies but sends none, the session
    has ended.
    """
    token = body.refresh_token or refresh_cookie(request)
    if token is None and body.delivery == "body":
        message = "is required, unless the browser sends the refresh token as a cookie"
        raise invalid(FieldError("refresh_token", message, "body", "required"))
    if body.refresh_token is None and body.delivery == "body":
        # A script must not be able to read what was put where scripts cannot read.
        message = 'must be "cookie" if the refresh token is sent as a cookie'
        raise invalid(FieldError("delivery", message, "body", "unknown_value"))
    if token is None:  # a page cannot see whether the cookie is still there: to it, the session has ended
        clear_cookies(request)
        raise SessionEndedError
    try:
        result = await services.accounts.refresh_rotation.refresh(Secret(token), client)
    except (SessionEndedError, RefreshReusedError):
        if body.refresh_token is None:
            clear_cookies(request)
        raise
    return signed_in_answer(request, result, body.delivery, client)


@sessions.route(
    "POST /v1/auth/sign-out",
    "signOut",
    Answer("Signed out; cookies are cleared."),
    body_examples={
        "token": Example("An app whose access token has expired", {"refresh_token": REFRESH}),
        "cookie": Example("A browser, or an app with a valid access token", {}),
    },
    # for anybody who holds a token of the session, expired or used: signing out must always be possible
    unguessable=True,
)
async def sign_out(
    request: AnyRequest, services: Services, client: ClientInfo, body: schemas.SignOutBody | None = None
) -> None:
    """End this session.

    Ends the session of the access token, in the `authorization` header or the cookie; without a valid one, that of the
    refresh token, in the body or the cookie, used or not. Its refresh tokens no longer work; its access tokens are
    refused within a second. Cookies are cleared, and the response is the same whether or not there was a session to
    end.
    """
    claims = _access_claims(request, services)
    token = (body and body.refresh_token) or refresh_cookie(request)
    if claims is not None:
        await services.accounts.sessions.sign_out(claims.user_id, claims.session_id, client)
    elif token is not None:
        await services.accounts.sessions.sign_out_by_token(Secret(token), client)
    clear_cookies(request)


@sessions.route(
    "POST /v1/auth/sign-out-everywhere",
    "signOutEverywhere",
    Answer("The sessions have ended.", three=Example("Three sessions", {"ended": 3})),
    problems=(problems.REAUTHENTICATION_REQUIRED,),
    access=Access.USER,
)
async def sign_out_everywhere(
    request: AnyRequest, services: Services, call: UserCall, client: ClientInfo, query: schemas.SignOutQuery
) -> schemas.SignedOutEverywhere:
    """End all your sessions.

    Every device needs the second factor again, and none stays known but, with `keep`, the one that the request names by
    `x-singr-device` or its cookie. Keeping this session requires that it has proved the second factor, if one is on;
    ending all of them requires nothing.
    """
    keep = call.session_id if query.keep == "current" else None
    ended = await services.accounts.sessions.sign_out_everywhere(call.user_id, client, keep=keep)
    if keep is None:
        clear_cookies(request)
    return schemas.SignedOutEverywhere(ended)


@sessions.route(
    "GET /v1/auth/sessions",
    "listSessions",
    Answer("Active sessions, most recently used first.", one=Example("The current session", {"items": [SESSION]})),
    access=Access.USER,
)
async def index(services: Services, call: UserCall) -> SessionList:
    """List your sessions."""
    return SessionList(await services.accounts.sessions.list(call.user_id, current=call.session_id))


@sessions.route(
    "DELETE /v1/auth/sessions/{session_id}",
    "endSession",
    Answer("The session has ended."),
    problems=(problems.REAUTHENTICATION_REQUIRED,),
    access=Access.USER,
)
async def revoke(request: AnyRequest, services: Services, call: UserCall, client: ClientInfo, session_id: UUID) -> None:
    """End one of your sessions."""
    await services.accounts.sessions.revoke(call.user_id, session_id, client, by=call.session_id)
    if session_id == call.session_id:
        clear_cookies(request)


@sessions.route(
    "POST /v1/auth/second-factor/send",
    "sendSecondFactorCode",
    Answer("The code is on its way.", status=202, sent=Example("Sent", {"expires_in": 300})),
    body_examples={"sms": Example("As a text message", {"challenge_token": CHALLENGE, "method": "sms"})},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.NOT_ALLOWED, problems.GUARD_UNAVAILABLE),
    closed=CODE_MESSAGES,
)
async def send_code(services: Services, client: ClientInfo, body: schemas.SendCodeBody) -> CodeSent:
    """Send a code for the second factor.

    A new code replaces the previous one.
    """
    flow, client = services.accounts.second_factor_sign_in, from_device(client, body.device_token)
    return CodeSent(await flow.send(Secret(body.challenge_token), body.method, client))


@sessions.route(
    "POST /v1/auth/second-factor/verify",
    "proveSecondFactor",
    Answer(
        "Signed in.",
        body=Example("Tokens in the body", SIGNED_IN),
        cookie=Example("Tokens in cookies", IN_COOKIES),
        backup_code=Example("By backup code", {**SIGNED_IN, "backup_codes_left": 9}),
    ),
    body_examples=SECOND_STEPS,
    problems=(
        problems.ONE_TIME_TOKEN_REFUSED,
        problems.CODE_REFUSED,
        problems.PASSKEY_REFUSED,
        problems.SIGN_IN_REFUSED,
        problems.NOT_ALLOWED,
        problems.GUARD_UNAVAILABLE,
    ),
    closed=SECOND_STEP_TRIES,
)
async def verify(
    request: AnyRequest, services: Services, client: ClientInfo, body: schemas.SecondFactorBody
) -> SignedInAnswer:
    """Complete a sign-in with the second factor.

    5 attempts for each sign-in, 10 in 15 minutes for each person; each is counted before anything is compared. With
    `remember_device`, this device no longer needs the second factor.
    """
    token, accounts = Secret(body.challenge_token), services.accounts
    client = from_device(client, body.device_token)
    options: dict[str, Any] = {"remember_device": body.remember_device, "delivery": body.delivery}
    if isinstance(body, schemas.PasskeyFactor):
        result = await accounts.passkey_sign_in.second_factor(token, body.credential, client, **options)
    elif isinstance(body, schemas.PasswordFactor):
        flow = accounts.second_factor_sign_in
        result = await flow.verify_password(token, Secret(body.password), client, **options)
    else:
        method: Any = type(body).__struct_config__.tag
        result = await accounts.second_factor_sign_in.verify(token, method, body.code, client, **options)
    return signed_in_answer(request, result, body.delivery, client)


@sessions.route(
    "POST /v1/auth/reauthenticate",
    "reauthenticate",
    Answer(
        "Sensitive changes are allowed for a limited time.",
        proved=Example("Proved", {"authenticated_at": "2026-11-22T12:20:00Z", "expires_in": 900}),
    ),
    body_examples=PROOFS,
    problems=(
        problems.PASSWORD_REFUSED,
        problems.CODE_REFUSED,
        problems.PASSKEY_REFUSED,
        problems.ONE_TIME_TOKEN_REFUSED,
        problems.SESSION_ENDED,
        problems.GUARD_UNAVAILABLE,
    ),
    access=Access.USER,
    closed=f"{PASSWORD_TRIES} With a code: {PERSON_TRIES}",
)
async def reauthenticate(
    services: Services, call: UserCall, client: ClientInfo, body: schemas.ReauthenticateBody
) -> schemas.Reauthenticated:
    """Prove presence again.

    Changes to how an account is accessed require a proof of presence from the last 15 minutes: a sign-in, or this. The
    tokens stay the same.
    """
    accounts, left = services.accounts, None
    who, proof = (call.user_id, call.session_id), accounts.reauthentication
    if isinstance(body, schemas.PasskeyProof):
        at = await accounts.passkeys.prove_presence(*who, body.credential, client)
    elif isinstance(body, schemas.PasswordProof):
        try:
            at = await proof.by_password(*who, Secret(body.password), client)
        except InvalidCredentialsError:
            raise password_refused("password") from None
    elif isinstance(body, schemas.BackupCodeProof):
        at, left = await proof.by_backup_code(*who, body.code, client)
    else:
        at = await proof.by_totp(*who, body.code, client)
    return schemas.Reauthenticated(at, RECENT_SECONDS, left)


def _access_claims(request: AnyRequest, services: Services) -> AccessToken | None:
    """Return what the first good access token says; None where there is none, which is no failed sign-in here."""
    for token in access_tokens_of(request):
        try:
            return services.accounts.tokens.verify(token)
        except AccessTokenError:
            continue
    return None
