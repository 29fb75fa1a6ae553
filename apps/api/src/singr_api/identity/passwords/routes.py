"""Passwords: one that was forgotten, and one that is to be another."""

from typing import Final

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.problems import FieldError, invalid, password_refused
from singr_api.identity.passwords.schemas import ChangePassword, PasswordSet, Reset
from singr_api.identity.shared import ACCEPTED, MAILS, PASSWORD_TRIES, Accepted, EmailOrPhone
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth import WeakPasswordError
from singr_auth.accounts import ClientInfo, InvalidCredentialsError
from singr_config import Secret

passwords = Section("Passwords")
_IN_FORCE: Final = Answer("In force.", set=Example("Done", {"status": "password_changed"}))


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
    """Ask for a new password.

    Sends a link to an account's address, which works once, for an hour; or to its verified phone, for 15 minutes.
    Nothing goes to a phone that gets the codes of its account's second factor: it would be both factors.
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
    """Choose a new password by the link.

    Uses the link up, ends all sessions, and lets no device skip the second factor any more. Signs nobody in. A password
    that is refused (422) leaves the link in force.
    """
    await services.accounts.recovery.reset(Secret(body.token), Secret(body.password), client)
    return PasswordSet()


@passwords.route(
    "POST /v1/auth/password/change",
    "changePassword",
    _IN_FORCE,
    body_examples={
        "change": Example(
            "Old and new",
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

    This session stays; all others end, and no device skips the second factor any more. Where a second factor is on,
    this session must have proved one.
    """
    try:
        await services.accounts.recovery.change(
            call.user_id,
            call.session_id,
            current=Secret(body.current_password),
            new=Secret(body.new_password),
            client=client,
        )
    except InvalidCredentialsError:
        raise password_refused("current_password") from None
    except WeakPasswordError as error:
        raise invalid(FieldError("new_password", error.message, "body", error.code)) from None
    return PasswordSet()
