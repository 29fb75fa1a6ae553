"""Signing in, by password or by link."""

from typing import Final

from singr_api.admission.browser import AnyRequest, SignInAnswer, sign_in_answer
from singr_api.http.problems import EMAIL_UNVERIFIED, NOT_ALLOWED, ONE_TIME_TOKEN_REFUSED, SIGN_IN_REFUSED
from singr_api.identity.shared import ACCEPTED, PASSWORD_TRIES, Accepted, EmailOrPhone
from singr_api.identity.sign_in.examples import BY_PASSWORD, CHALLENGED, IN_COOKIES, SIGNED_IN
from singr_api.identity.sign_in.schemas import RedeemLink, SignIn, from_device
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_config import Secret

signing_in = Section("Sign-in")
_DONE: Final = Answer(
    "Signed in; or the first factor was right, and a second one has to follow.",
    signed_in=Example("Signed in, tokens in the body", SIGNED_IN),
    cookies=Example("Signed in, tokens in cookies", IN_COOKIES),
    second_factor=Example("A second factor has to follow", CHALLENGED),
)


@signing_in.route(
    "POST /v1/auth/sign-in",
    "signIn",
    _DONE,
    body_examples={
        "app": Example("An app", BY_PASSWORD),
        "browser": Example("A browser, which gets cookies", {**BY_PASSWORD, "delivery": "cookie"}),
    },
    problems=(SIGN_IN_REFUSED, EMAIL_UNVERIFIED),
    closed=PASSWORD_TRIES,
)
async def sign_in(request: AnyRequest, services: Services, client: ClientInfo, body: SignIn) -> SignInAnswer:
    """Sign in by password.

    Unknown, disabled and password-less accounts and wrong passwords get one answer, after the same work. Where the
    password is right but the address is not verified yet (403), another mail is on its way.
    """
    client = from_device(client, body.device_token)
    result = await services.accounts.password_sign_in.sign_in(
        body.email, Secret(body.password), client, delivery=body.delivery
    )
    return sign_in_answer(request, result, body.delivery, client)


@signing_in.route(
    "POST /v1/auth/magic-link",
    "askForMagicLink",
    ACCEPTED,
    body_examples={
        "email": Example("By e-mail", {"email": "ada@example.org"}),
        "phone": Example("By text message", {"phone": "+15555550100"}),
    },
    closed="5 an hour for each address that is asked for, with a reserve for callers who asked for none; 50 for each"
    " caller's.",
)
async def ask(services: Services, client: ClientInfo, body: EmailOrPhone) -> Accepted:
    """Ask for a link that signs in.

    It goes to an account's address, or to its verified phone. It works once, for 15 minutes.
    """
    links = services.accounts.magic_links
    if body.phone is not None:
        await links.request_by_sms(body.phone, client)
    else:
        await links.request_by_email(body.email or "", client)
    return Accepted()


@signing_in.route(
    "POST /v1/auth/magic-link/redeem",
    "redeemMagicLink",
    _DONE,
    body_examples={"link": Example("The link's token", {"token": "sml_2Xp8…"})},
    problems=(ONE_TIME_TOKEN_REFUSED, SIGN_IN_REFUSED, NOT_ALLOWED),
    unguessable=True,
)
async def redeem(request: AnyRequest, services: Services, client: ClientInfo, body: RedeemLink) -> SignInAnswer:
    """Sign in by link.

    Uses the link up. A pending account becomes active, since its owner has read a mail of ours; the password that it
    was registered with is dropped then, since whoever chose it may have been somebody else. A second factor has to come
    by another channel than the link; where there is none, it is the password.
    """
    client = from_device(client, body.device_token)
    result = await services.accounts.magic_links.redeem(Secret(body.token), client, delivery=body.delivery)
    return sign_in_answer(request, result, body.delivery, client)
