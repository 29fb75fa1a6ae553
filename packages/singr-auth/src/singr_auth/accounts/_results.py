"""What a sign-in ends in."""

from typing import TypeAlias
from uuid import UUID

from singr_config import HoldsSecrets, Secret


class SignedIn(HoldsSecrets, frozen=True):
    """A session with its first, or next, pair of tokens. Secrets are handed to the caller and kept nowhere in clear.

    Attributes:
        expires_in: seconds until the access token expires.
        refresh_expires_in: seconds until the refresh token expires unused.
        device_token: set where this browser has none yet: to be presented at later sign-ins.
        known_device: the token that this device presented is in force, and stays so.
        backup_codes_left: set where a backup code was used: how many there are still.
    """

    user_id: UUID
    session_id: UUID
    access_token: Secret
    expires_in: int
    refresh_token: Secret
    refresh_expires_in: int
    device_token: Secret | None = None
    known_device: bool = False
    backup_codes_left: int | None = None


class SecondFactorRequired(HoldsSecrets, frozen=True):
    """The first factor was right; one of `methods` has to follow within `expires_in` seconds."""

    challenge_token: Secret
    methods: tuple[str, ...]
    expires_in: int


SignInResult: TypeAlias = SignedIn | SecondFactorRequired
