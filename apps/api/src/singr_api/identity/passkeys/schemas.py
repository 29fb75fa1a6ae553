"""What callers send and get for passkeys. The inner parts are the JSON of WebAuthn Level 3, in its own spelling."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.fields import ChallengeToken
from singr_api.identity.shared import DeviceToken
from singr_auth.accounts import NAME_PATTERN, NewPasskey, Passkey, PasskeyAssertion

PasskeyName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=NAME_PATTERN, description="One line.", examples=["Work laptop"])
]
Preference = Literal["required", "preferred", "discouraged"]


class RelyingParty(msgspec.Struct, frozen=True):
    """The relying party."""

    name: str
    id: str


class PasskeyUser(msgspec.Struct, frozen=True, rename="camel"):
    """The passkey's owner; `id` is base64url."""

    id: str
    name: str
    display_name: str


class KeyKind(msgspec.Struct, frozen=True):
    """An accepted kind of key (COSE)."""

    type: Literal["public-key"]
    alg: int


class CredentialName(msgspec.Struct, frozen=True, omit_defaults=True):
    """An existing credential; `id` is base64url."""

    id: str
    type: Literal["public-key"]
    transports: tuple[str, ...] = ()


class AuthenticatorWishes(msgspec.Struct, frozen=True, rename="camel"):
    """The requirements for the authenticator."""

    resident_key: Preference
    require_resident_key: bool
    user_verification: Preference


class CreationOptions(msgspec.Struct, frozen=True, rename="camel"):
    """PublicKeyCredentialCreationOptionsJSON: for `PublicKeyCredential.parseCreationOptionsFromJSON()`."""

    rp: RelyingParty
    user: PasskeyUser
    challenge: str
    pub_key_cred_params: tuple[KeyKind, ...]
    timeout: int
    exclude_credentials: tuple[CredentialName, ...]
    authenticator_selection: AuthenticatorWishes
    attestation: Literal["none"]


class RequestOptions(msgspec.Struct, frozen=True, rename="camel"):
    """PublicKeyCredentialRequestOptionsJSON: for `PublicKeyCredential.parseRequestOptionsFromJSON()`."""

    challenge: str
    timeout: int
    rp_id: str
    allow_credentials: tuple[CredentialName, ...]
    user_verification: Preference


class CreationOptionsAnswer(msgspec.Struct, frozen=True):
    """Hand `public_key` to `navigator.credentials.create({publicKey})` within `expires_in` seconds."""

    public_key: CreationOptions
    expires_in: int


class RequestOptionsAnswer(msgspec.Struct, frozen=True):
    """Hand `public_key` to `navigator.credentials.get({publicKey})` within `expires_in` seconds."""

    public_key: RequestOptions
    expires_in: int


class PasskeySignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of `navigator.credentials.get()`, as its `toJSON()` writes it."""

    credential: PasskeyAssertion
    device_token: DeviceToken | None = None
    delivery: Delivery = "body"


class SecondFactorOptionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sign-in that it belongs to."""

    challenge_token: ChallengeToken


class AddPasskeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `toJSON()` of what `navigator.credentials.create()` returned; named after this device by default."""

    credential: NewPasskey
    name: PasskeyName | None = None


class RenamePasskeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new name."""

    name: PasskeyName


class PasskeyList(msgspec.Struct, frozen=True):
    """All of your passkeys, oldest first."""

    items: tuple[Passkey, ...]
