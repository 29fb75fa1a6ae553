"""A person's passkeys: adding, naming, listing and removing them, and proving presence by one."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    SessionEndedError,
    TokenRefusedError,
)
from singr_auth.accounts.audit._events import device_name, record_event
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.notices._notices import Notifier
from singr_auth.accounts.notices._sending import send_security_notice
from singr_auth.accounts.passkeys import _rows as store
from singr_auth.accounts.passkeys._ceremony import Ceremony, CeremonyError, MadeCredential, challenge_in
from singr_auth.accounts.passkeys._forms import NewPasskey, PasskeyAssertion
from singr_auth.accounts.passkeys._proofs import PasskeyProofs
from singr_auth.accounts.passkeys._rows import Passkey
from singr_auth.accounts.people._users import User, checked_name, user_by_id
from singr_db import Database, PlatformSession
from singr_observability import get_logger

MOST_PASSKEYS: Final = 20
"""How many passkeys one person may have."""

_LONGEST_REASON: Final = 200
_log = get_logger("singr_auth.accounts")


class Passkeys:
    """The passkeys of people who are signed in. Changes ask for a proof of presence that is fresh.

    Args:
        db: where they are kept.
        notifier: tells their owner of each that comes or goes.
        ceremony: the relying party.
        proofs: judges proofs of presence.
        reauthentication: knows how long ago somebody proved their presence.
    """

    def __init__(
        self,
        db: Database,
        notifier: Notifier,
        *,
        ceremony: Ceremony,
        proofs: PasskeyProofs,
        reauthentication: Reauthentication,
    ) -> None:
        self._db = db
        self._notifier = notifier
        self._ceremony = ceremony
        self._proofs = proofs
        self._reauthentication = reauthentication

    async def list(self, user_id: UUID) -> tuple[Passkey, ...]:
        """Return a person's passkeys, oldest first."""
        async with self._db.platform() as session:
            return tuple(await store.passkeys_of(session, user_id))

    async def options(self, user_id: UUID, session_id: UUID) -> dict[str, Any]:
        """Return `PublicKeyCredentialCreationOptionsJSON`, good for five minutes and one answer.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            ConflictError: the person has as many as they may have.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            user = await _usable(session, user_id)
            known = await store.known_credentials(session, user_id)
            _check_room(len(known))
            challenge = await store.open_challenge(session, "passkey_registration", user_id)
        return self._ceremony.creation_options(
            challenge, user_id=user_id, name=user.email, display_name=user.name, exclude=known
        )

    async def add(
        self, user_id: UUID, session_id: UUID, credential: NewPasskey, client: ClientInfo, *, name: str | None = None
    ) -> Passkey:
        """Keep the passkey that the browser made with `options`; its owner is told.

        Args:
            user_id: whose it will be.
            session_id: their session.
            credential: what the browser made.
            client: from where; names the passkey where `name` does not.
            name: one line of 1 to 100 characters.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            TokenRefusedError: the options are unknown, expired, used, or somebody else's.
            InvalidValueError: the name or the credential cannot be taken.
            ConflictError: it is registered already, or the person has as many as they may have.
        """
        await self._reauthentication.require_recent(session_id)
        name = checked_name(name if name is not None else device_name(client.user_agent))
        made = await self._made(user_id, credential)
        async with self._db.platform() as session:
            user = await _usable(session, user_id, lock=True)
            _check_room(len(await store.known_credentials(session, user_id)))
            passkey = await store.add_passkey(session, user_id, name, made)
            if passkey is None:
                raise ConflictError("This passkey is already registered.", field="credential")
            detail = {"passkey_id": str(passkey.id), "name": name}
            await record_event(session, "passkey.added", user_id=user_id, client=client, detail=detail)
            await send_security_notice(session, self._notifier, user.target, "passkey_added", client)
        return passkey

    async def rename(self, user_id: UUID, passkey_id: UUID, name: str, client: ClientInfo) -> Passkey:
        """Give a passkey another name.

        Raises:
            InvalidValueError: the name cannot be taken.
            NotFoundError: the person has no such passkey.
        """
        name = checked_name(name)
        async with self._db.platform() as session:
            passkey = await store.rename_passkey(session, user_id, passkey_id, name)
            if passkey is None:
                raise NotFoundError("passkey")
            detail = {"passkey_id": str(passkey_id), "name": name}
            await record_event(session, "passkey.renamed", user_id=user_id, client=client, detail=detail)
        return passkey

    async def remove(self, user_id: UUID, session_id: UUID, passkey_id: UUID, client: ClientInfo) -> None:
        """Take a passkey away; its owner is told.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            NotFoundError: the person has no such passkey.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            user = await _usable(session, user_id)
            name = await store.remove_passkey(session, user_id, passkey_id)
            if name is None:
                raise NotFoundError("passkey")
            detail = {"passkey_id": str(passkey_id), "name": name}
            await record_event(session, "passkey.removed", user_id=user_id, client=client, detail=detail)
            await send_security_notice(session, self._notifier, user.target, "passkey_removed", client)

    async def presence_options(self, user_id: UUID) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON` for `prove_presence`, good for five minutes and one answer."""
        return await self._proofs.presence_options(user_id)

    async def prove_presence(
        self, user_id: UUID, session_id: UUID, assertion: PasskeyAssertion, client: ClientInfo
    ) -> dt.datetime:
        """Prove presence by a passkey that verifies its user; returns when.

        Raises:
            TokenRefusedError: the options are unknown, expired, used, or somebody else's.
            PasskeyRefusedError: it is no proof by a passkey of this person.
            SessionEndedError: the session ended meanwhile.
        """
        proved = await self._proofs.presence(user_id, assertion, client)
        async with self._db.platform() as session:
            return await self._reauthentication.proved(session, user_id, session_id, proved.factor, client)

    async def _made(self, user_id: UUID, credential: NewPasskey) -> MadeCredential:
        try:
            challenge = challenge_in(credential.response.client_data_json)
        except CeremonyError as error:
            raise _refused(error) from None
        async with self._db.platform() as session:
            fresh = await store.use_challenge(session, "passkey_registration", user_id, challenge)
        if not fresh:
            raise TokenRefusedError("These passkey options are unknown, expired or were used before: ask for new ones.")
        try:
            return self._ceremony.made(credential, challenge)
        except CeremonyError as error:
            raise _refused(error) from None


def _refused(error: CeremonyError) -> InvalidValueError:
    """What the caller is told of a credential that cannot be taken; why exactly is for logs, which may repeat input."""
    _log.info("a passkey was not taken: {}", ascii(str(error))[1:-1][:_LONGEST_REASON])
    words = "must be created by navigator.credentials.create() with the options from this API"
    return InvalidValueError("credential", words, code="malformed")


async def _usable(session: PlatformSession, user_id: UUID, *, lock: bool = False) -> User:
    user = await user_by_id(session, user_id, lock=lock)
    if user is None or not user.usable:
        raise SessionEndedError
    return user


def _check_room(count: int) -> None:
    if count >= MOST_PASSKEYS:
        raise ConflictError(f"You have {MOST_PASSKEYS} passkeys, which is the maximum. Remove one first.")
