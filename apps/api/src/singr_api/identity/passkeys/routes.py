"""Passkeys: signing in with one, proving presence with one, and a person's own."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_api.admission.browser import AnyRequest, SignInAnswer, sign_in_answer
from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http import problems
from singr_api.http.problems import CHALLENGE, Problem
from singr_api.identity.passkeys import examples, schemas
from singr_api.identity.shared import CHALLENGE as CHALLENGE_TOKEN
from singr_api.identity.shared import SIGNED_IN, from_device
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo, Passkey, PasskeyRefusedError
from singr_config import Secret

signing_in = Section("Sign-in")
own = Section("Me", access=Access.USER)
_MILLISECONDS: Final = 1000
_FRESH: Final = (problems.REAUTHENTICATION_REQUIRED, problems.SESSION_ENDED)


@signing_in.route(
    "POST /v1/auth/passkeys/options",
    "beginPasskeySignIn",
    Answer("The options.", anybody=Example("For any account", examples.REQUEST)),
    problems=(problems.UNAVAILABLE,),
    unguessable=True,
)
async def sign_in_options(services: Services) -> schemas.RequestOptionsAnswer:
    """Begin signing in with a passkey.

    No account is named: the authenticator offers the passkeys that match. The options are valid for one response.
    """
    return _request_options(await services.accounts.passkey_sign_in.options())


@signing_in.route(
    "POST /v1/auth/passkeys/sign-in",
    "signInWithPasskey",
    Answer(
        "Signed in, or one step remains.",
        signed_in=Example("Signed in", SIGNED_IN),
        second_factor=Example("The second factor is required", examples.CHALLENGED),
    ),
    body_examples={"proof": Example("The output of toJSON()", {"credential": examples.ASSERTION, "delivery": "body"})},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.SIGN_IN_REFUSED, problems.UNAVAILABLE),
    unguessable=True,
)
async def sign_in(
    request: AnyRequest, services: Services, client: ClientInfo, body: schemas.PasskeySignInBody
) -> SignInAnswer:
    """Sign in with a passkey.

    A passkey that verified its user (by PIN, fingerprint or face) counts as both factors. Otherwise it counts as the
    first factor, and the second one follows if the account has one.
    """
    client = from_device(client, body.device_token)
    try:
        result = await services.accounts.passkey_sign_in.sign_in(body.credential, client, delivery=body.delivery)
    except PasskeyRefusedError as error:  # here nobody is known yet; elsewhere it is a wrong answer of somebody known
        raise Problem(problems.SIGN_IN_REFUSED, str(error), headers={"www-authenticate": CHALLENGE}) from None
    return sign_in_answer(request, result, body.delivery, client)


@signing_in.route(
    "POST /v1/auth/second-factor/passkey",
    "beginPasskeySecondFactor",
    Answer(
        "The options, with the passkeys of the person signing in.", own=Example("One passkey", examples.REQUEST_OF_ONE)
    ),
    body_examples={"challenge": Example("After the first factor", {"challenge_token": CHALLENGE_TOKEN})},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.NOT_ALLOWED, problems.UNAVAILABLE),
    unguessable=True,
)
async def second_factor_options(
    services: Services, body: schemas.SecondFactorOptionsBody
) -> schemas.RequestOptionsAnswer:
    """Begin proving a passkey as second factor.

    Send the browser's response to `POST /v1/auth/second-factor/verify`, with `method: passkey`. The options belong to
    this sign-in, and end with it.
    """
    flow = services.accounts.passkey_sign_in
    return _request_options(await flow.second_factor_options(Secret(body.challenge_token)))


@signing_in.route(
    "POST /v1/auth/reauthenticate/passkey",
    "beginPasskeyReauthentication",
    Answer("The options, with your passkeys.", own=Example("One passkey", examples.REQUEST_OF_PRESENCE)),
    access=Access.USER,
)
async def presence_options(services: Services, call: UserCall) -> schemas.RequestOptionsAnswer:
    """Begin proving presence with a passkey.

    Send the browser's response to `POST /v1/auth/reauthenticate`, with `method: passkey`. The passkey must verify its
    user. The options are valid for one response.
    """
    return _request_options(await services.accounts.passkeys.presence_options(call.user_id))


@own.route(
    "GET /v1/me/passkeys",
    "listMyPasskeys",
    Answer("The passkeys.", one=Example("One passkey", {"items": [examples.PASSKEY]})),
)
async def index(services: Services, call: UserCall) -> schemas.PasskeyList:
    """List your passkeys."""
    return schemas.PasskeyList(await services.accounts.passkeys.list(call.user_id))


@own.route(
    "POST /v1/me/passkeys/options",
    "beginPasskey",
    Answer("The options.", first=Example("For the first passkey", examples.CREATION)),
    problems=(*_FRESH, problems.CONFLICT),
)
async def creation_options(services: Services, call: UserCall) -> schemas.CreationOptionsAnswer:
    """Begin adding a passkey.

    Requires a proof of presence from the last 15 minutes. The options are valid for one response.
    """
    options = msgspec.convert(
        await services.accounts.passkeys.options(call.user_id, call.session_id), schemas.CreationOptions
    )
    return schemas.CreationOptionsAnswer(options, options.timeout // _MILLISECONDS)


@own.route(
    "POST /v1/me/passkeys",
    "addPasskey",
    Answer("The passkey.", status=201, passkey=Example("A synced passkey", examples.PASSKEY)),
    body_examples={"made": Example("The output of toJSON()", {"credential": examples.MADE, "name": "Work laptop"})},
    problems=(problems.ONE_TIME_TOKEN_REFUSED, *_FRESH, problems.CONFLICT),
)
async def add(services: Services, call: UserCall, client: ClientInfo, body: schemas.AddPasskeyBody) -> Passkey:
    """Add a passkey.

    Requires a proof of presence from the last 15 minutes. The account's owner is told by mail.
    """
    return await services.accounts.passkeys.add(call.user_id, call.session_id, body.credential, client, name=body.name)


@own.route(
    "PATCH /v1/me/passkeys/{passkey_id}",
    "renamePasskey",
    Answer("The passkey.", passkey=Example("Renamed", {**examples.PASSKEY, "name": "Old laptop"})),
    body_examples={"name": Example("Another name", {"name": "Old laptop"})},
)
async def rename(
    services: Services, call: UserCall, client: ClientInfo, passkey_id: UUID, body: schemas.RenamePasskeyBody
) -> Passkey:
    """Rename a passkey."""
    return await services.accounts.passkeys.rename(call.user_id, passkey_id, body.name, client)


@own.route("DELETE /v1/me/passkeys/{passkey_id}", "removePasskey", Answer("Removed."), problems=_FRESH)
async def remove(services: Services, call: UserCall, client: ClientInfo, passkey_id: UUID) -> None:
    """Remove a passkey.

    Requires a proof of presence from the last 15 minutes. The account's owner is told by mail.
    """
    await services.accounts.passkeys.remove(call.user_id, call.session_id, passkey_id, client)


def _request_options(options: dict[str, Any]) -> schemas.RequestOptionsAnswer:
    public_key = msgspec.convert(options, schemas.RequestOptions)
    return schemas.RequestOptionsAnswer(public_key, public_key.timeout // _MILLISECONDS)
