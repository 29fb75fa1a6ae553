"""All flows of accounts and organizations, wired together from their parts. Building it connects to nothing."""

from collections.abc import Iterable

import msgspec

from singr_auth import AccessTokenIssuer, AccessTokenVerifier, PasswordHasher, PasswordPolicy
from singr_auth.accounts.factors._backup_codes import BackupCodes
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.factors._second_factors import SecondFactors
from singr_auth.accounts.factors._sign_in import SecondFactorSignIn
from singr_auth.accounts.factors._totp import Totp
from singr_auth.accounts.notices._following import Follower, NoFollower
from singr_auth.accounts.notices._notices import Notifier, PhoneVerifier
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_auth.accounts.organizations import (
    InvitationLimits,
    Invitations,
    InvitedRegistration,
    Members,
    Organizations,
    OwnInvitations,
    Permissions,
    Roles,
)
from singr_auth.accounts.passkeys._ceremony import relying_party
from singr_auth.accounts.passkeys._passkeys import Passkeys
from singr_auth.accounts.passkeys._proofs import PasskeyProofs
from singr_auth.accounts.passkeys._sign_in import PasskeySignIn
from singr_auth.accounts.people._administration import Administration
from singr_auth.accounts.people._email_change import EmailChange
from singr_auth.accounts.people._email_undo import EmailUndo
from singr_auth.accounts.people._email_verification import EmailVerification
from singr_auth.accounts.people._phones import Phones
from singr_auth.accounts.people._profiles import Profiles
from singr_auth.accounts.people._registration import Registration
from singr_auth.accounts.proofs._challenges import Challenges
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._access_feed import AccessFeed
from singr_auth.accounts.sessions._devices import Devices
from singr_auth.accounts.sessions._opening import SessionOpening
from singr_auth.accounts.sessions._refresh import RefreshRotation
from singr_auth.accounts.sessions._sessions import Sessions
from singr_auth.accounts.sessions._signing_keys import signing_keys
from singr_auth.accounts.sign_in._completion import SignInCompletion
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_auth.accounts.sign_in._magic_links import MagicLinks
from singr_auth.accounts.sign_in._password_sign_in import PasswordSignIn
from singr_auth.accounts.sign_in._passwords import Passwords
from singr_auth.accounts.sign_in._recovery import PasswordRecovery
from singr_config import AppSettings, AuthSettings, JwtSettings, LimitSettings
from singr_db import Database, Sealer
from singr_db.limits import RateLimiter
from singr_observability import Metrics


class AccountSettings(msgspec.Struct, frozen=True):
    """The sections that accounts read.

    Args:
        own_names: what the platform itself writes as, which no organization may go by (`Settings.own_names`).
    """

    app: AppSettings
    jwt: JwtSettings
    auth: AuthSettings
    limits: LimitSettings = LimitSettings()
    own_names: tuple[str, ...] = ()


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
        tidying: the types of jobs that keep nobody from deleting an organization: they only take away what is over.
        follower: hears of new names and addresses, and of accounts that end; None: nobody keeps copies.
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
        tidying: Iterable[str] = (),
        follower: Follower | None = None,
    ) -> None:
        self.db = db
        self.sealer = sealer
        self.limiter = limiter
        self.notifier = notifier
        self.follower = follower or NoFollower()
        self.settings = settings
        self.metrics = metrics
        self.phone_verifier = phone_verifier
        jwt = settings.jwt
        self.keys = signing_keys(settings.app, jwt, settings.auth)
        self.tokens = AccessTokenVerifier(self.keys, issuer=jwt.issuer, audience=jwt.audience)
        self.issuer = AccessTokenIssuer(self.keys, issuer=jwt.issuer, audience=jwt.audience, ttl=jwt.access_ttl)
        self.access_feed = AccessFeed(db, remember=jwt.access_ttl)
        self.access_feed.attach(db.session_info)
        self.permissions = Permissions(db, self.access_feed)
        self.organizations = Organizations(tidying, settings.own_names)
        self.roles, self.members = Roles(notifier), Members(notifier)
        self.invitations, self.own_invitations = Invitations(notifier), OwnInvitations()
        self._wire_sessions()
        one_time = OneTimeTokens(sealer)
        self._wire_entrances(one_time)
        self._wire_identity(one_time)
        self._wire_passkeys()

    def _wire_sessions(self) -> None:
        db, auth = self.db, self.settings.auth
        self.hasher = PasswordHasher()
        self.guard = SignInGuard(db, self.sealer, self.limiter, self.notifier, self.settings.limits)
        self.passwords = Passwords(db, self.hasher, PasswordPolicy(), self.guard)
        self.owner_notices = OwnerNotices(self.notifier)
        self.devices = Devices(db)
        self.challenges = Challenges(db, self.sealer)
        self.sessions = Sessions(db)
        self.completion = SignInCompletion(
            db,
            self.issuer,
            opening=SessionOpening(db, jwt=self.settings.jwt, session_ttl=auth.session_ttl, trust_ttl=auth.device_ttl),
            devices=self.devices,
            challenges=self.challenges,
            owner_notices=self.owner_notices,
            metrics=self.metrics,
        )
        self.totp = Totp(db, self.sealer, auth=auth)
        self.backup_codes = BackupCodes(self.sealer, self.owner_notices)
        self.reauthentication = Reauthentication(
            db,
            passwords=self.passwords,
            guard=self.guard,
            totp=self.totp,
            backup_codes=self.backup_codes,
        )
        self._wire_second_factors()

    def _wire_second_factors(self) -> None:
        db, sealer, settings = self.db, self.sealer, self.settings
        self.refresh_rotation = RefreshRotation(db, sealer, self.issuer, self.owner_notices, jwt=settings.jwt)
        self.second_factors = SecondFactors(
            db,
            guard=self.guard,
            challenges=self.challenges,
            totp=self.totp,
            backup_codes=self.backup_codes,
            sessions=self.sessions,
            reauthentication=self.reauthentication,
            owner_notices=self.owner_notices,
            auth=settings.auth,
            verify=self.phone_verifier is not None,
        )
        self.second_factor_sign_in = SecondFactorSignIn(
            db,
            sealer,
            guard=self.guard,
            challenges=self.challenges,
            totp=self.totp,
            backup_codes=self.backup_codes,
            completion=self.completion,
            passwords=self.passwords,
            notifier=self.notifier,
            phone_verifier=self.phone_verifier,
            metrics=self.metrics,
        )
        self.phones = Phones(
            db,
            sealer,
            guard=self.guard,
            challenges=self.challenges,
            reauthentication=self.reauthentication,
            notifier=self.notifier,
            owner_notices=self.owner_notices,
        )

    def _wire_entrances(self, one_time: OneTimeTokens) -> None:
        db, guard, notifier = self.db, self.guard, self.notifier
        self.email_verification = EmailVerification(db, guard=guard, one_time=one_time, notifier=notifier)
        self.registration = Registration(
            db, sealer=self.sealer, passwords=self.passwords, guard=guard, one_time=one_time, notifier=notifier
        )
        self.invitation_limits = InvitationLimits(db, guard, rates=guard.rates)
        self.invited_registration = InvitedRegistration(db, self.sealer, self.passwords, self.invitations, notifier)
        self.password_sign_in = PasswordSignIn(
            guard=guard,
            passwords=self.passwords,
            verification=self.email_verification,
            completion=self.completion,
        )
        self.magic_links = MagicLinks(
            db,
            sealer=self.sealer,
            guard=guard,
            one_time=one_time,
            notifier=notifier,
            verification=self.email_verification,
            completion=self.completion,
            ttl=self.settings.auth.magic_link_ttl,
        )

    def _wire_identity(self, one_time: OneTimeTokens) -> None:
        db, guard, notifier = self.db, self.guard, self.notifier
        self.recovery = PasswordRecovery(
            db,
            sealer=self.sealer,
            passwords=self.passwords,
            guard=guard,
            one_time=one_time,
            notifier=notifier,
            sessions=self.sessions,
            verification=self.email_verification,
        )
        self.email_undo = EmailUndo(
            db,
            sealer=self.sealer,
            one_time=one_time,
            notifier=notifier,
            sessions=self.sessions,
            follower=self.follower,
        )
        self.email_change = EmailChange(
            db,
            sealer=self.sealer,
            guard=guard,
            one_time=one_time,
            notifier=notifier,
            undo=self.email_undo,
            reauthentication=self.reauthentication,
            follower=self.follower,
        )
        self.profiles = Profiles(
            db,
            notifier=notifier,
            sessions=self.sessions,
            members=self.members,
            reauthentication=self.reauthentication,
            follower=self.follower,
        )
        self.administration = Administration(notifier=notifier, sessions=self.sessions, one_time=one_time)

    def _wire_passkeys(self) -> None:
        ceremony = relying_party(self.settings.auth)
        proofs = PasskeyProofs(self.db, self.sealer, ceremony)
        self.passkeys = Passkeys(
            self.db, self.notifier, ceremony=ceremony, proofs=proofs, reauthentication=self.reauthentication
        )
        self.passkey_sign_in = PasskeySignIn(
            self.db,
            proofs=proofs,
            guard=self.guard,
            challenges=self.challenges,
            completion=self.completion,
            metrics=self.metrics,
        )

    def close(self) -> None:
        """Let the threads go that hash passwords."""
        self.hasher.close()
