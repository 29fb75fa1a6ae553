"""Second factors, backup codes, devices and phone numbers."""

from base64 import b64encode
from typing import Final, get_args
from uuid import UUID

from singr_api.admission.call import Call, UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.problems import FieldError
from singr_api.identity.factors import schemas
from singr_api.identity.factors.examples import CODES, DEVICE, FACTORS, TOTP
from singr_api.identity.shared import CODE_MESSAGES, PERSON_TRIES, CodeSent
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth import qr_png, qr_svg
from singr_auth.accounts import CHALLENGE_SECONDS, ClientInfo, FactorList, SentMethod
from singr_config import Secret
from singr_db import PlatformSession

own = Section("Me", access=Access.USER, problems=(problems.UNAVAILABLE,))
others = Section(
    "Users",
    access=Access.CALLER,
    scope="users:write",
    platform="This is for those who run the platform, not for an organization.",
)
_SENT_METHODS: Final[tuple[SentMethod, ...]] = get_args(SentMethod)
_CHANGE: Final = (problems.REAUTHENTICATION_REQUIRED, problems.SESSION_ENDED)
_TRIES: Final = (problems.CODE_REFUSED, problems.GUARD_UNAVAILABLE)
_TOLD: Final = "Requires a proof of presence from the last 15 minutes. The account's owner is told by mail."
_METHOD: Final = {"type": "string", "enum": list(_SENT_METHODS), "description": "The kind of second factor."}


@own.route(
    "GET /v1/me/second-factors",
    "listMySecondFactors",
    Answer("The active factors, and how many backup codes are left.", two=Example("Two factors", FACTORS)),
)
async def index(services: Services, call: UserCall) -> FactorList:
    """List your second factors.

    While there is at least one, neither a password nor a link alone is enough to sign in.
    """
    return await services.accounts.second_factors.list(call.user_id)


@own.route(
    "POST /v1/me/second-factors/totp",
    "beginTotp",
    Answer("The secret.", svg=Example("With an SVG", TOTP)),
    problems=_CHANGE,
)
async def begin_totp(services: Services, call: UserCall, query: schemas.EnrolmentQuery) -> schemas.TotpSecret:
    """Begin adding an authenticator app.

    The secret is shown once, and becomes active when a code from it is confirmed. Requesting another replaces one that
    is not confirmed yet; an active app stays active until its replacement is confirmed. Requires a proof of presence
    from the last 15 minutes.
    """
    made = await services.accounts.second_factors.begin_totp(call.user_id, call.session_id)
    uri, svg = made.uri.reveal(), query.qr == "svg"
    return schemas.TotpSecret(
        secret=made.secret.reveal(),
        provisioning_uri=uri,
        expires_in=CHALLENGE_SECONDS,
        qr_svg=qr_svg(uri) if svg else None,
        qr_png=None if svg else f"data:image/png;base64,{b64encode(qr_png(uri)).decode()}",
    )


@own.route(
    "POST /v1/me/second-factors/totp/confirm",
    "confirmTotp",
    Answer(
        "The authenticator app is active.",
        first=Example("The first factor", {"method": "totp", "backup_codes": CODES}),
        further=Example("An additional factor", {"method": "totp", "backup_codes": []}),
    ),
    body_examples={"code": Example("The code shown by the app", {"code": "042 917"})},
    problems=(*_TRIES, *_CHANGE),
    closed=f"5 attempts for each secret, {PERSON_TRIES}",
    note=_TOLD,
)
async def confirm_totp(
    services: Services, call: UserCall, client: ClientInfo, body: schemas.CodeBody
) -> schemas.FactorAdded:
    """Activate an authenticator app.

    The first second factor comes with ten backup codes.
    """
    codes = await services.accounts.second_factors.confirm_totp(call.user_id, call.session_id, body.code, client)
    return schemas.FactorAdded("totp", _shown(codes))


@own.route(
    "DELETE /v1/me/second-factors/totp",
    "removeTotp",
    Answer("Removed."),
    problems=(problems.NOT_FOUND, problems.CONFLICT, *_CHANGE),
    note=_TOLD,
)
async def remove_totp(services: Services, call: UserCall, client: ClientInfo) -> None:
    """Remove the authenticator app.

    If it is the last second factor, the backup codes are deleted too, and it stays (409) while the password has fewer
    than 15 characters: change that first.
    """
    await services.accounts.second_factors.remove(call.user_id, call.session_id, "totp", client)


@own.route(
    "POST /v1/me/second-factors/{method}",
    "addSecondFactor",
    Answer("Added.", status=201, first=Example("The first factor", {"method": "sms", "backup_codes": CODES})),
    problems=(problems.NOT_ALLOWED, problems.CONFLICT, *_CHANGE),
    note=_TOLD,
    path_schemas={"method": _METHOD},
)
async def add(services: Services, call: UserCall, client: ClientInfo, method: str) -> schemas.FactorAdded:
    """Add codes sent by message as a second factor.

    Codes are sent to the verified e-mail address or phone number; with `verify`, a verification service sends them. The
    first second factor comes with ten backup codes.
    """
    way = _sent(method)
    codes = await services.accounts.second_factors.add(call.user_id, call.session_id, way, client)
    return schemas.FactorAdded(way, _shown(codes))


@own.route(
    "DELETE /v1/me/second-factors/{method}",
    "removeSecondFactor",
    Answer("Removed."),
    problems=(problems.CONFLICT, *_CHANGE),
    note=_TOLD,
    path_schemas={"method": _METHOD},
)
async def remove(services: Services, call: UserCall, client: ClientInfo, method: str) -> None:
    """Remove codes sent by message.

    If it is the last second factor, the backup codes are deleted too, and it stays (409) while the password has fewer
    than 15 characters: change that first.
    """
    await services.accounts.second_factors.remove(call.user_id, call.session_id, _sent(method), client)


@own.route(
    "POST /v1/me/backup-codes",
    "replaceBackupCodes",
    Answer("Ten codes, shown once.", status=201, codes=Example("Ten codes", {"backup_codes": CODES})),
    problems=(problems.CONFLICT, *_CHANGE),
    note=_TOLD,
)
async def replace_backup_codes(services: Services, call: UserCall, client: ClientInfo) -> schemas.NewBackupCodes:
    """Replace your backup codes.

    They replace a lost second factor.
    """
    flow = services.accounts.second_factors
    return schemas.NewBackupCodes(_shown(await flow.replace_backup_codes(call.user_id, call.session_id, client)))


@own.route(
    "GET /v1/me/devices",
    "listMyDevices",
    Answer("Browsers and apps that have signed in.", one=Example("A trusted device", {"items": [DEVICE]})),
)
async def devices(services: Services, call: UserCall) -> schemas.DeviceList:
    """List your devices."""
    return schemas.DeviceList(await services.accounts.devices.list(call.user_id))


@own.route(
    "DELETE /v1/me/devices/{device_id}",
    "removeDevice",
    Answer("Forgotten."),
    problems=(problems.REAUTHENTICATION_REQUIRED,),
)
async def remove_device(services: Services, call: UserCall, client: ClientInfo, device_id: UUID) -> None:
    """Forget a device.

    It needs the second factor again. Its sessions are not ended by this.
    """
    await services.accounts.devices.remove(call.user_id, device_id, client, by=call.session_id)


@own.route(
    "PUT /v1/me/phone",
    "changePhone",
    Answer("A code is on its way.", status=202, sent=Example("Sent", {"expires_in": 300})),
    body_examples={"phone": Example("A number", {"phone": "+15555550100"})},
    problems=(problems.GUARD_UNAVAILABLE, *_CHANGE),
    closed=f"{CODE_MESSAGES} The same for each number.",
)
async def add_phone(services: Services, call: UserCall, client: ClientInfo, body: schemas.PhoneBody) -> CodeSent:
    """Add or change your phone number.

    Sends a code to the new number; the previous number stays in force until the new one is verified. Requires a proof
    of presence from the last 15 minutes.
    """
    return CodeSent(await services.accounts.phones.add(call.user_id, call.session_id, body.phone, client))


@own.route(
    "POST /v1/me/phone/verify",
    "verifyPhone",
    Answer("The number is verified.", phone=Example("Masked", {"phone": "+1******0100"})),
    body_examples={"code": Example("What was sent", {"code": "042917"})},
    problems=(*_TRIES, problems.NOT_ALLOWED, problems.CONFLICT),
    closed=f"5 attempts for each code, {PERSON_TRIES}",
)
async def verify_phone(
    services: Services, call: UserCall, client: ClientInfo, body: schemas.CodeBody
) -> schemas.VerifiedPhone:
    """Verify your phone number."""
    phones = services.accounts.phones
    return schemas.VerifiedPhone(await phones.verify(call.user_id, body.code, client, session_id=call.session_id))


@own.route(
    "DELETE /v1/me/phone",
    "removePhone",
    Answer("Removed."),
    problems=(problems.NOT_FOUND, problems.CONFLICT, *_CHANGE),
    note=_TOLD,
)
async def remove_phone(services: Services, call: UserCall, client: ClientInfo) -> None:
    """Remove your phone number."""
    await services.accounts.phones.remove(call.user_id, call.session_id, client)


@others.route(
    "POST /v1/users/{user_id}/reset-second-factors",
    "resetSecondFactors",
    Answer("What was removed.", totp=Example("An authenticator app", {"removed": ["totp"]})),
    problems=(problems.ORGANIZATION_FORBIDDEN, problems.NOT_ALLOWED, problems.UNAVAILABLE),
    idempotent=True,
)
async def reset(
    session: PlatformSession, services: Services, call: Call, client: ClientInfo, user_id: UUID
) -> schemas.FactorsReset:
    """Reset the second factors of somebody who lost them.

    For administrators who have verified the person's identity by other means; not for an administrator's own account
    (403). Second factors and backup codes are removed, and all sessions end. The account's owner is told by mail, and
    the audit trail records who did it.
    """
    flow = services.accounts.second_factors
    return schemas.FactorsReset(await flow.reset(session, user_id, actor=call.principal.key_id, client=client))


def _sent(method: str) -> SentMethod:
    for known in _SENT_METHODS:
        if known == method:
            return known
    error = FieldError("method", f"must be totp, {', '.join(_SENT_METHODS)}", "path", "unknown_value")
    raise problems.refused(problems.NOT_FOUND, error, "There is no such kind of second factor.")


def _shown(codes: tuple[Secret, ...]) -> tuple[str, ...]:
    return tuple(code.reveal() for code in codes)
