"""A person's own account, and its address."""

from msgspec.structs import asdict

from singr_api.admission.browser import AnyRequest, clear_cookies
from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.fields import PageQuery
from singr_api.identity.me import schemas
from singr_api.identity.me.examples import EVENT, ME, RENAMED
from singr_api.identity.shared import ACCEPTED, Accepted, SecurityEventPage
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo, Profile
from singr_config import Secret

me = Section("Account", access=Access.USER)


@me.route("GET /v1/me", "readMe", Answer("Your account.", me=Example("A customer", ME)))
async def read(services: Services, call: UserCall) -> Profile:
    """Read your account."""
    return await services.accounts.profiles.read(call.user_id)


@me.route(
    "PATCH /v1/me",
    "changeMe",
    Answer("Your account.", me=Example("Renamed", RENAMED)),
    body_examples={"name": Example("Another name", {"name": "Ada King"})},
)
async def change(services: Services, call: UserCall, client: ClientInfo, body: schemas.ChangeProfile) -> Profile:
    """Change your name."""
    return await services.accounts.profiles.rename(call.user_id, body.name, client)


@me.route(
    "DELETE /v1/me", "deleteMe", Answer("Deleted."), problems=(problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT)
)
async def end(request: AnyRequest, services: Services, call: UserCall, client: ClientInfo) -> None:
    """Delete your account.

    Permanently: all sessions end, the address becomes free, and invitations to it that have ended are deleted.
    Organizations' recipients lose what they had from the account, and keep what their organization gave itself.

    Security events stay, so that nobody removes their traces by deleting an account. They have no name and no e-mail
    address, but what was done, from which network address and on which kind of device, under the account's id, for as
    long as the platform's operator keeps them.

    Requires a proof of presence at most 15 minutes old. Refused (409) while an organization with other members would be
    left without an owner: transfer its ownership first.
    """
    await services.accounts.profiles.delete(call.user_id, call.session_id, client)
    clear_cookies(request)


@me.route("GET /v1/me/security-events", "listMySecurityEvents", page_with(EVENT))
async def events(services: Services, call: UserCall, query: PageQuery) -> SecurityEventPage:
    """List your account's security events.

    Sign-ins, including refused ones, and every change to how the account is accessed. Newest first.
    """
    return SecurityEventPage.of(await services.accounts.profiles.events(call.user_id, **asdict(query)))


@me.route(
    "POST /v1/auth/email/change",
    "changeEmail",
    ACCEPTED,
    body_examples={"address": Example("A new address", {"email": "ada.king@example.org"})},
    problems=(problems.REAUTHENTICATION_REQUIRED,),
    closed="5 per hour for each person, and for each new address.",
)
async def change_email(services: Services, call: UserCall, client: ClientInfo, body: schemas.ChangeEmail) -> Accepted:
    """Request a change of e-mail address.

    Sends a link and a code to the new address, and a notice to the old one, which stays in force until the new one is
    confirmed in this session. Requires a proof of presence at most 15 minutes old.
    """
    await services.accounts.email_change.request(call.user_id, call.session_id, body.email, client)
    return Accepted()


@me.route(
    "POST /v1/auth/email/change/confirm",
    "confirmEmailChange",
    Answer("The new address is in force.", changed=Example("Done", {"status": "email_changed"})),
    body_examples={
        "code": Example("The code", {"code": "042917"}),
        "link": Example("The link's token", {"token": "sec_4Jv7…"}),
    },
    problems=(
        problems.CODE_REFUSED,
        problems.ONE_TIME_TOKEN_REFUSED,
        problems.NOT_ALLOWED,
        problems.REAUTHENTICATION_REQUIRED,
        problems.CONFLICT,
    ),
    closed="With a code: 5 attempts for each code, 10 in 15 minutes and 20 per day for each person.",
)
async def confirm_email(
    services: Services, call: UserCall, client: ClientInfo, body: schemas.ConfirmEmail
) -> schemas.EmailChanged:
    """Confirm the new e-mail address.

    With the code or the link from the mail to the new address, in the session that requested the change; in any other
    session (403), or without one (401), nothing changes. The old address is told, with a link that undoes the change
    for seven days.
    """
    flow, who = services.accounts.email_change, (call.user_id, call.session_id)
    if body.token is not None:
        await flow.confirm_link(*who, Secret(body.token), client)
    else:
        await flow.confirm(*who, body.code or "", client)
    return schemas.EmailChanged()


@me.route(
    "POST /v1/auth/email/change/undo",
    "undoEmailChange",
    Answer("Restored.", restored=Example("Done", {"status": "email_restored"})),
    body_examples={"link": Example("The link's token", {"token": "seu_9Rt2…"})},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.CONFLICT),
    access=Access.ANONYMOUS,
    unguessable=True,
)
async def undo_email_change(
    services: Services, client: ClientInfo, body: schemas.UndoEmailChange
) -> schemas.EmailRestored:
    """Undo a change of e-mail address.

    With the link that was sent to the previous address, within seven days. The account gets that address back, all
    sessions end, the password is removed and a link to choose a new one is sent; sign-in methods added around the
    change (passkeys, phone, devices, second factors) are removed. Signs nobody in.
    """
    await services.accounts.email_undo.undo(Secret(body.token), client)
    return schemas.EmailRestored()
