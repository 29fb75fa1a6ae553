"""Signing in, by password or by link."""

from typing import Final

from singr_api.admission.browser import AnyRequest, SignInAnswer, sign_in_answer
from singr_api.http.problems import EMAIL_UNVERIFIED, NOT_ALLOWED, ONE_TIME_TOKEN_REFUSED, SIGN_IN_REFUSED
from singr_api.identity.shared import ACCEPTED, PASSWORD_TRIES, Accepted, EmailOrPhone, from_device
from singr_api.identity.sign_in.examples import BY_PASSWORD, CHALLENGED, IN_COOKIES, SIGNED_IN
from singr_api.identity.sign_in.schemas import RedeemLink, SignIn
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_config import Secret

signing_in = Section("Sign-in")
_DONE: Final = Answer(
    "Signed in; or the first factor is right, and the second one is required.",
    signed_in=Example("Signed in, tokens in the body", SIGNED_IN),
    cookies=Example("Signed in, tokens in cookies", IN_COOKIES),
    second_factor=Example("The second factor is required", CHALLENGED),
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
    """Sign in with a password.

    Unknown, disabled and password-less accounts and wrong passwords all get the same response, after the same amount of
    work. If the password is right but the address is not verified yet (403), another verification mail is sent.
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
    closed="5 per hour for each requested address or number; for e-mail, with a reserve for clients that have made no"
    " request; 50 per client address.",
)
async def ask(services: Services, client: ClientInfo, body: EmailOrPhone) -> Accepted:
    """Request a sign-in link.

    The link is sent to an account's e-mail address, or to its verified phone. It works once, for 15 minutes.
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
    """Sign in with a link.

    Consumes the link. A pending account becomes active, since its owner has received our mail; the password it was
    registered with is removed, because somebody else may have chosen it. A second factor must use another channel than
    the link; if there is none, the password is asked for.
    """
    client = from_device(client, body.device_token)
    result = await services.accounts.magic_links.redeem(Secret(body.token), client, delivery=body.delivery)
    return sign_in_answer(request, result, body.delivery, client)
