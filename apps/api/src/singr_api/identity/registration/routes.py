"""Registration, and the proof that an address is one's own."""

from singr_api.http.problems import CODE_REFUSED, ONE_TIME_TOKEN_REFUSED
from singr_api.identity.registration.examples import CUSTOMER, VERIFICATION_TOKEN
from singr_api.identity.registration.schemas import Register, Verified, VerifyEmailAddress
from singr_api.identity.shared import ACCEPTED, MAILS, Accepted, AddressOnly
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo, NewAccount
from singr_config import Secret

registration = Section("Registration")


@registration.route(
    "POST /v1/auth/register",
    "register",
    ACCEPTED,
    body_examples={"customer": Example("A venue's manager", CUSTOMER)},
    closed="3 per hour for each address, 30 per client address.",
)
async def register(services: Services, client: ClientInfo, body: Register) -> Accepted:
    """Register.

    Creates an account that is pending until its address is verified, and sends a link and a six-digit code. New,
    pending and existing addresses get the same response: the owner of an existing account is told by mail about the
    attempt. Registering a pending address again replaces the earlier registration; if the password differs, neither is
    trusted, and the owner chooses a new one by mail once the address is verified.
    """
    account = NewAccount(body.email, body.name, Secret(body.password), body.account_type)
    await services.accounts.registration.register(account, client)
    return Accepted()


@registration.route(
    "POST /v1/auth/email/verify",
    "verifyEmail",
    Answer("Verified.", verified=Example("Done", {"status": "verified"})),
    body_examples={
        "link": Example("With the link", {"token": VERIFICATION_TOKEN}),
        "code": Example("With the code", {"email": "ada@example.org", "code": "042917"}),
    },
    problems=(ONE_TIME_TOKEN_REFUSED, CODE_REFUSED),
    closed="With a code: 5 attempts for each code, 20 per day for each address, 100 in 15 minutes per client address.",
)
async def verify(services: Services, client: ClientInfo, body: VerifyEmailAddress) -> Verified:
    """Verify an e-mail address.

    With the token from the link in the mail, or with the address and the code from the same mail. A code can be tried
    five times; after that a new mail is needed. This signs nobody in. A change of address is confirmed by another
    route.
    """
    verification = services.accounts.email_verification
    if body.token is not None:
        password_kept = await verification.verify_link(Secret(body.token), client)
    else:
        password_kept = await verification.verify_code(body.email or "", body.code or "", client)
    return Verified("verified", password_kept)


@registration.route(
    "POST /v1/auth/email/resend",
    "resendVerification",
    ACCEPTED,
    body_examples={"address": Example("An address", {"email": "ada@example.org"})},
    closed=MAILS,
)
async def resend(services: Services, client: ClientInfo, body: AddressOnly) -> Accepted:
    """Send the verification mail again.

    Sent only if the address has a pending account; the response is the same in any case.
    """
    await services.accounts.email_verification.resend(body.email, client)
    return Accepted()
