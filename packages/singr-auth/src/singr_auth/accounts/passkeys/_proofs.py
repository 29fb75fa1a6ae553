"""Proofs by passkeys: at sign-in by whoever comes, behind a sign-in as second factor, and of presence once more."""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import PasskeyRefusedError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.passkeys import _rows as store
from singr_auth.accounts.passkeys._ceremony import Assertion, Ceremony, CeremonyError, challenge_in
from singr_auth.accounts.passkeys._forms import PasskeyAssertion, from_base64url
from singr_config import Secret
from singr_db import Database, Sealer

Factor = Literal["passkey", "hardware_passkey"]

_CONTEXT: Final = "passkey.second_factor"
_STALE: Final = "This passkey challenge is unknown, expired or was used before: ask for new options."


class ProvedPasskey(msgspec.Struct, frozen=True):
    """Whose passkey it was.

    Attributes:
        factor: `hardware_passkey` where it cannot leave its device, else `passkey`.
        user_verified: the authenticator made sure who used it.
    """

    user_id: UUID
    passkey_id: UUID
    factor: Factor
    user_verified: bool


class PasskeyProofs:
    """Judges proofs. Each is good once: its challenge is used up before it is looked at, and its counter must rise.

    Args:
        db: where credentials and challenges are kept.
        sealer: derives the challenge of a second factor from the sign-in that waits for it.
        ceremony: the relying party.
    """

    def __init__(self, db: Database, sealer: Sealer, ceremony: Ceremony) -> None:
        self._db = db
        self._sealer = sealer
        self._ceremony = ceremony

    async def sign_in_options(self) -> dict[str, Any]:
        """Return options for whoever comes: nobody is named, the authenticator shows what it holds for us."""
        async with self._db.platform() as session:
            challenge = await store.open_challenge(session, "passkey_sign_in", None)
        return self._ceremony.request_options(challenge)

    async def sign_in(self, assertion: PasskeyAssertion, client: ClientInfo) -> ProvedPasskey:
        """Find out who this is, by a discoverable credential.

        Raises:
            TokenRefusedError: the challenge is unknown, expired or used.
            PasskeyRefusedError: anything else is wrong; what, is in the audit trail.
        """
        challenge = await self._used_challenge(assertion, None)
        return await self._prove(assertion, challenge, client, user_id=None)

    async def second_factor_options(self, user_id: UUID, challenge_token: Secret) -> dict[str, Any]:
        """Return options naming this person's passkeys, bound to the sign-in that waits for a second factor."""
        async with self._db.platform() as session:
            known = await store.known_credentials(session, user_id)
        challenge = self._sealer.fingerprint(challenge_token.reveal(), context=_CONTEXT)
        return self._ceremony.request_options(challenge, allow=known)

    async def second_factor(
        self, user_id: UUID, challenge_token: Secret, assertion: PasskeyAssertion, client: ClientInfo
    ) -> ProvedPasskey:
        """Judge a second factor; whoever calls uses the sign-in's challenge up, which makes this proof good once.

        Raises:
            PasskeyRefusedError: it is no proof by a passkey of this person for this sign-in.
        """
        given = _challenge_of(assertion)
        expected = self._sealer.fingerprints(challenge_token.reveal(), context=_CONTEXT)
        fits = given if given in expected else expected[0]
        return await self._prove(assertion, fits, client, user_id=user_id)

    async def presence_options(self, user_id: UUID) -> dict[str, Any]:
        """Return options for somebody who is signed in and shall prove it again; asks for user verification."""
        async with self._db.platform() as session:
            challenge = await store.open_challenge(session, "passkey_sign_in", user_id)
            known = await store.known_credentials(session, user_id)
        return self._ceremony.request_options(challenge, allow=known, verified=True)

    async def presence(self, user_id: UUID, assertion: PasskeyAssertion, client: ClientInfo) -> ProvedPasskey:
        """Judge a proof of presence. Its user was verified by the authenticator: both factors in one.

        Raises:
            TokenRefusedError: the challenge is unknown, expired, used, or somebody else's.
            PasskeyRefusedError: it is no proof by a passkey of this person.
        """
        challenge = await self._used_challenge(assertion, user_id)
        return await self._prove(assertion, challenge, client, user_id=user_id, verified=True)

    async def _used_challenge(self, assertion: PasskeyAssertion, user_id: UUID | None) -> bytes:
        challenge = _challenge_of(assertion)
        async with self._db.platform() as session:
            fresh = await store.use_challenge(session, "passkey_sign_in", user_id, challenge)
        if not fresh:
            raise TokenRefusedError(_STALE)
        return challenge

    async def _prove(
        self,
        assertion: PasskeyAssertion,
        challenge: bytes,
        client: ClientInfo,
        *,
        user_id: UUID | None,
        verified: bool = False,
    ) -> ProvedPasskey:
        try:
            credential_id = from_base64url(assertion.raw_id)
        except ValueError:
            raise PasskeyRefusedError from None
        async with self._db.platform() as session:
            found = await store.find_credential(session, credential_id)
        try:
            proof = self._ceremony.proved(assertion, challenge, found.public_key if found else None, verified=verified)
            owner = _owner(found, proof, assertion, user_id)
        except CeremonyError as error:
            await self._refused(found, str(error), client)
            raise PasskeyRefusedError from None
        async with self._db.platform() as session:
            used = await store.use_passkey(session, owner.id, proof)
        if not used:
            await self._refused(owner, "the counter did not rise", client, kind="passkey.counter_regressed")
            raise PasskeyRefusedError
        factor: Factor = "passkey" if owner.backup_eligible else "hardware_passkey"
        return ProvedPasskey(owner.user_id, owner.id, factor, proof.user_verified)

    async def _refused(
        self, found: store.StoredCredential | None, why: str, client: ClientInfo, *, kind: str = "passkey.refused"
    ) -> None:
        # The reason may repeat what was sent: escaped, since the database takes no NUL and no lone surrogate.
        detail = {"reason": ascii(why)[1:-1][:200]} | ({"passkey_id": str(found.id)} if found else {})
        async with self._db.platform() as session:
            await record_event(
                session,
                kind,
                user_id=found.user_id if found else None,
                actor="anonymous",
                client=client,
                detail=detail,
            )


def _owner(
    found: store.StoredCredential | None, proof: Assertion, assertion: PasskeyAssertion, user_id: UUID | None
) -> store.StoredCredential:
    """Return the credential if it is of who it should be, and its account is in use (Level 3, 7.2, steps 6 and 18)."""
    if found is None:
        raise CeremonyError("the credential is unknown")
    handle = assertion.response.user_handle
    if handle is None:
        if user_id is None:
            raise CeremonyError("the answer names no user")
    elif _handle(handle) != found.user_id.bytes:
        raise CeremonyError("the answer names another user")
    if user_id is not None and user_id != found.user_id:
        raise CeremonyError("the credential is another person's")
    if not found.usable:
        raise CeremonyError("the account is not in use")
    if proof.backup_eligible != found.backup_eligible:
        raise CeremonyError("whether it may be backed up has changed")
    return found


def _handle(text: str) -> bytes:
    try:
        return from_base64url(text)
    except ValueError as error:
        raise CeremonyError("the user handle is malformed") from error


def _challenge_of(assertion: PasskeyAssertion) -> bytes:
    try:
        return challenge_in(assertion.response.client_data_json)
    except CeremonyError:
        raise PasskeyRefusedError from None
