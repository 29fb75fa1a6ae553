"""All flows of accounts and organizations, wired together from their parts. Building it connects to nothing."""

import msgspec

from singr_auth.accounts._notices import Notifier, PhoneVerifier
from singr_config import AppSettings, AuthSettings, JwtSettings
from singr_db import Database, Sealer
from singr_jobs import RateLimiter
from singr_observability import Metrics


class AccountSettings(msgspec.Struct, frozen=True):
    """The sections that accounts read."""

    app: AppSettings
    jwt: JwtSettings
    auth: AuthSettings


class Accounts:
    """Sign-in, sessions, second factors, people and organizations.

    Args:
        db: where everything is kept.
        sealer: seals what must be read again, fingerprints what must be found again.
        limiter: counts tries; where Redis does not answer, what guards passwords and codes stays shut.
        notifier: tells people.
        settings: the sections that are read.
        metrics: counts sign-ins by method and outcome.
        phone_verifier: sends and checks codes by itself; None: no such second factor.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        limiter: RateLimiter,
        notifier: Notifier,
        *,
        settings: AccountSettings,
        metrics: Metrics,
        phone_verifier: PhoneVerifier | None = None,
    ) -> None:
        self.db = db
        self.sealer = sealer
        self.limiter = limiter
        self.notifier = notifier
        self.settings = settings
        self.metrics = metrics
        self.phone_verifier = phone_verifier
