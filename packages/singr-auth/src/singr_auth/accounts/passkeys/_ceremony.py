"""What a passkey's ceremonies take and give, and the relying party that the settings name.

Nothing here knows a database, and only what is made by `relying_party` needs the extra `[passkeys]`.
"""

from collections.abc import Sequence
from typing import Any, Final, NoReturn, Protocol
from uuid import UUID

import msgspec

from singr_auth.accounts.passkeys._forms import NewPasskey, PasskeyAssertion, from_base64url
from singr_config import AuthSettings, PortableError

CEREMONY_SECONDS: Final = 300
"""How long a person has between the options and the answer."""


class CeremonyError(PortableError):
    """What came back is not what was asked for. Its text is for logs and tests, not for callers."""


class KnownCredential(msgspec.Struct, frozen=True):
    """A credential to name in options."""

    credential_id: bytes
    transports: tuple[str, ...] = ()


class MadeCredential(msgspec.Struct, frozen=True):
    """A new credential whose making was verified.

    Attributes:
        public_key: COSE.
        aaguid: the authenticator's model; None where it does not say.
        backup_eligible: may be synchronised between devices: stays as it is for the credential's life.
        backed_up: is synchronised at this time.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    aaguid: UUID | None
    backup_eligible: bool
    backed_up: bool
    user_verified: bool


class Assertion(msgspec.Struct, frozen=True):
    """A proof whose signature was verified; its counter is still to be compared.

    Attributes:
        user_verified: the authenticator made sure who used it (PIN, fingerprint, face).
    """

    credential_id: bytes
    sign_count: int
    user_verified: bool
    backup_eligible: bool
    backed_up: bool


class _ClientData(msgspec.Struct):
    challenge: str
    cross_origin: bool = msgspec.field(name="crossOrigin", default=False)
    top_origin: str | None = msgspec.field(name="topOrigin", default=None)


_client_data = msgspec.json.Decoder(_ClientData)


def challenge_in(client_data_json: str) -> bytes:
    """Return the challenge that an answer says it answers; whether it does is still to be verified.

    Raises:
        CeremonyError: the client data is malformed, or comes from a page inside another site's page.
    """
    try:
        data = _client_data.decode(from_base64url(client_data_json))
        challenge = from_base64url(data.challenge)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CeremonyError("the client data is malformed") from error
    if data.cross_origin or data.top_origin is not None:
        raise CeremonyError("the ceremony ran inside another site's page")
    return challenge


class Ceremony(Protocol):
    """One relying party's side of WebAuthn: gives options, and judges what comes back."""

    def creation_options(
        self, challenge: bytes, *, user_id: UUID, name: str, display_name: str, exclude: Sequence[KnownCredential]
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialCreationOptionsJSON`."""

    def request_options(
        self, challenge: bytes, *, allow: Sequence[KnownCredential] = (), verified: bool = False
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON`."""

    def made(self, credential: NewPasskey, challenge: bytes) -> MadeCredential:
        """Verify the making of a credential; raises CeremonyError."""

    def proved(
        self, credential: PasskeyAssertion, challenge: bytes, public_key: bytes | None, *, verified: bool = False
    ) -> Assertion:
        """Verify a proof; raises CeremonyError."""


class PasskeysMissingError(PortableError, RuntimeError):
    """Passkeys are asked for where the extra is not installed."""

    def __init__(self) -> None:
        super().__init__("Passkeys need the extra: pip install singr-auth[passkeys]")


class _NoCeremony:
    """Stands where the extra is not installed: accounts work, passkeys say what is missing."""

    def __getattr__(self, name: str) -> NoReturn:
        raise PasskeysMissingError


def relying_party(auth: AuthSettings) -> Ceremony:
    """Return the relying party that the settings name."""
    try:
        from singr_auth.accounts.passkeys._webauthn import WebAuthn  # noqa: PLC0415 — the extra may be absent
    except ModuleNotFoundError:
        return _NoCeremony()
    return WebAuthn(rp_id=auth.webauthn_rp_id, rp_name=auth.two_factor_issuer, origins=auth.webauthn_origins)
