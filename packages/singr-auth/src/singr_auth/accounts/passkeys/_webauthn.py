"""The relying party's side of WebAuthn (Level 2 and 3), on py_webauthn. Needs the extra `[passkeys]`."""

import hmac
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_authenticator_data,
)
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialType,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from singr_auth.accounts.passkeys._ceremony import (
    CEREMONY_SECONDS,
    Assertion,
    CeremonyError,
    KnownCredential,
    MadeCredential,
    challenge_in,
)
from singr_auth.accounts.passkeys._forms import NewPasskey, PasskeyAssertion, from_base64url

_LONGEST_PUBLIC_KEY: Final = 2048
_KNOWN_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)
# The public part of a key pair whose private part was never kept (COSE, ES256): what no credential answers to is
# checked against it, so that an unknown passkey costs the time of a known one.
_DECOY_KEY: Final = bytes.fromhex(
    "a5010203262001215820"
    "dcd758b37e77622398482d7770e550e57130fdcdf4909ac9597a3b2a4e012e8b"
    "22582083a89166acb909be2b5eef09d03570772f2d3946aa66face964683e701ccd25e"
)


class WebAuthn:
    """One relying party: the `Ceremony` of `_ceremony.py`, which says what its parts do.

    Args:
        rp_id: the domain that passkeys are bound to.
        rp_name: what people are shown.
        origins: those whose pages may ask, exactly as browsers write them.
    """

    def __init__(self, *, rp_id: str, rp_name: str, origins: Sequence[str]) -> None:
        self._rp_id = rp_id
        self._rp_name = rp_name
        self._origins = list(origins)

    def creation_options(
        self, challenge: bytes, *, user_id: UUID, name: str, display_name: str, exclude: Sequence[KnownCredential]
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialCreationOptionsJSON`: EdDSA, ES256 or RS256, discoverable where possible."""
        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_name,
            user_id=user_id.bytes,
            user_name=name,
            user_display_name=display_name,
            challenge=challenge,
            timeout=CEREMONY_SECONDS * 1000,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_descriptors(exclude),
        )
        return options_to_json_dict(options)

    def request_options(
        self, challenge: bytes, *, allow: Sequence[KnownCredential] = (), verified: bool = False
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON`.

        Args:
            challenge: random, or a keyed hash of what is.
            allow: the credentials to choose from; none: whichever the authenticator has found by itself.
            verified: the person must be verified by the authenticator; else that is preferred.
        """
        options = generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=CEREMONY_SECONDS * 1000,
            allow_credentials=_descriptors(allow),
            user_verification=(
                UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
            ),
        )
        return options_to_json_dict(options)

    def made(self, credential: NewPasskey, challenge: bytes) -> MadeCredential:
        """Verify the making of a credential (Level 3, 7.1).

        Raises:
            CeremonyError: wrong type, challenge, origin or relying party; nobody was present; unfit key or attestation.
        """
        _same(challenge_in(credential.response.client_data_json), challenge)
        try:
            verified = verify_registration_response(
                credential=RegistrationCredential(
                    id=credential.id,
                    raw_id=from_base64url(credential.raw_id),
                    response=AuthenticatorAttestationResponse(
                        client_data_json=from_base64url(credential.response.client_data_json),
                        attestation_object=from_base64url(credential.response.attestation_object),
                    ),
                    type=PublicKeyCredentialType.PUBLIC_KEY,
                ),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
            )
            aaguid = UUID(verified.aaguid)
            # an unusable key, such as a point off its curve, must not wait for the first proof to be noticed
            decoded_public_key_to_cryptography(decode_credential_public_key(verified.credential_public_key))
        except Exception as error:  # what a parser of hostile bytes raises is many things, and all mean: refused
            raise CeremonyError(f"the credential is refused: {error}") from error
        if verified.credential_id != from_base64url(credential.id):
            raise CeremonyError("the answer names another credential than the one that was made")
        if len(verified.credential_public_key) > _LONGEST_PUBLIC_KEY:
            raise CeremonyError("the credential's key is too long")
        return MadeCredential(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=tuple(sorted(_KNOWN_TRANSPORTS.intersection(credential.response.transports))),
            aaguid=aaguid if aaguid.int else None,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            backed_up=verified.credential_backed_up,
            user_verified=verified.user_verified,
        )

    def proved(
        self, credential: PasskeyAssertion, challenge: bytes, public_key: bytes | None, *, verified: bool = False
    ) -> Assertion:
        """Verify a proof (Level 3, 7.2), but for its counter, which only the store can compare safely.

        Args:
            credential: what the browser sent.
            challenge: what was asked.
            public_key: COSE; None: the credential is unknown, and is refused after the same work.
            verified: as in `request_options`.

        Raises:
            CeremonyError: wrong type, challenge, origin, relying party or signature; nobody present, or not verified.
        """
        _same(challenge_in(credential.response.client_data_json), challenge)
        try:
            authenticator_data = from_base64url(credential.response.authenticator_data)
            answer = verify_authentication_response(
                credential=AuthenticationCredential(
                    id=credential.id,
                    raw_id=from_base64url(credential.raw_id),
                    response=AuthenticatorAssertionResponse(
                        client_data_json=from_base64url(credential.response.client_data_json),
                        authenticator_data=authenticator_data,
                        signature=from_base64url(credential.response.signature),
                    ),
                    type=PublicKeyCredentialType.PUBLIC_KEY,
                ),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=public_key or _DECOY_KEY,
                credential_current_sign_count=0,
                require_user_verification=verified,
            )
            flags = parse_authenticator_data(authenticator_data).flags
        except Exception as error:  # as above
            raise CeremonyError(f"the proof is refused: {error}") from error
        if public_key is None:
            raise CeremonyError("the credential is unknown")
        return Assertion(
            credential_id=answer.credential_id,
            sign_count=answer.new_sign_count,
            user_verified=answer.user_verified,
            backup_eligible=flags.be,
            backed_up=flags.bs,
        )


def _same(given: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(given, expected):
        raise CeremonyError("the answer is to another challenge")


def _descriptors(credentials: Sequence[KnownCredential]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=known.credential_id,
            transports=[AuthenticatorTransport(name) for name in known.transports if name in _KNOWN_TRANSPORTS] or None,
        )
        for known in credentials
    ]
