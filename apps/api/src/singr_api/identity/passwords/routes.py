"""Passwords: one that was forgotten, and one that is to be another."""

from typing import Final

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.problems import FieldError, invalid, password_refused
from singr_api.identity.passwords.schemas import ChangePassword, PasswordSet, Reset
from singr_api.identity.shared import ACCEPTED, MAILS, PASSWORD_TRIES, Accepted, EmailOrPhone, from_device
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth import WeakPasswordError
from singr_auth.accounts import ClientInfo, InvalidCredentialsError
from singr_config import Secret

passwords = Section("Passwords")
_IN_FORCE: Final = Answer("The new password is in force.", set=Example("Done", {"status": "password_changed"}))


@passwords.route(
    "POST /v1/auth/password/forgot",
    "forgotPassword",
    ACCEPTED,
    body_examples={
        "email": Example("By e-mail", {"email": "ada@example.org"}),
        "phone": Example("By text message", {"phone": "+15555550100"}),
    },
    closed=MAILS,
)
async def forgot(services: Services, client: ClientInfo, body: EmailOrPhone) -> Accepted:
    """Request a password reset.

    Sends a link to the account's e-mail address, valid once for an hour; or to its verified phone, valid for 15
    minutes. Nothing is sent to a phone that receives the codes of the account's second factor: it would then be both
    factors.
    """
    recovery = services.accounts.recovery
    if body.phone is not None:
        await recovery.forgot_by_sms(body.phone, client)
    else:
        await recovery.forgot(body.email or "", client)
    return Accepted()


@passwords.route(
    "POST /v1/auth/password/reset",
    "resetPassword",
    _IN_FORCE,
    body_examples={
        "reset": Example(
            "The link's token and a password", {"token": "spr_6Lm1…", "password": "another long road to the microphone"}
        )
    },
    problems=(problems.ONE_TIME_TOKEN_REFUSED,),
    unguessable=True,
)
async def reset(services: Services, client: ClientInfo, body: Reset) -> PasswordSet:
    """Choose a new password with the link.

    Consumes the link, ends all sessions, and makes every device need the second factor again. Signs nobody in. If the
    password is refused (422), the link stays valid.
    """
    await services.accounts.recovery.reset(Secret(body.token), Secret(body.password), client)
    return PasswordSet()


@passwords.route(
    "POST /v1/auth/password/change",
    "changePassword",
    _IN_FORCE,
    body_examples={
        "change": Example(
            "Old and new password",
            {
                "current_password": "a long road to the microphone",
                "new_password": "another long road to the microphone",
            },
        )
    },
    problems=(problems.PASSWORD_REFUSED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    access=Access.USER,
    closed=PASSWORD_TRIES,
)
async def change(services: Services, call: UserCall, client: ClientInfo, body: ChangePassword) -> PasswordSet:
    """Change the password.

    This session stays; all others end, and every device needs the second factor again. The device that the request
    names stays known, and no other. If a second factor is on, this session must have proved it.
    """
    try:
        await services.accounts.recovery.change(
            call.user_id,
            call.session_id,
            current=Secret(body.current_password),
            new=Secret(body.new_password),
            client=from_device(client, body.device_token),
        )
    except InvalidCredentialsError:
        raise password_refused("current_password") from None
    except WeakPasswordError as error:
        raise invalid(FieldError("new_password", error.message, "body", error.code)) from None
    return PasswordSet()
