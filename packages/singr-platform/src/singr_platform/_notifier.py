"""What accounts have to tell people, as messages of `singr_comms`: sealed and queued in the caller's transaction."""

import datetime as dt
import re
from collections.abc import Collection
from ipaddress import ip_network
from typing import Final, TypeAlias
from uuid import UUID

from singr_auth.accounts import (
    CodeByEmail,
    CodeBySms,
    ConfirmNewEmail,
    EmailMoved,
    EmailTarget,
    InvitePerson,
    MagicLinkByEmail,
    MagicLinkBySms,
    Notice,
    ResetPassword,
    ResetPasswordBySms,
    VerifyEmail,
    WelcomeUser,
)
from singr_auth.accounts import SecurityNotice as SecurityNoticeOf
from singr_comms import (
    EmailAddress,
    EmailChange,
    EmailChanged,
    EmailMessage,
    InvalidMessageError,
    Invitation,
    Links,
    MagicLink,
    MagicLinkSms,
    PasswordReset,
    PasswordResetSms,
    SecurityNotice,
    TwoFactorCode,
    TwoFactorCodeSms,
    Verification,
    VerificationCodeSms,
    Welcome,
)
from singr_comms.notifications import (
    EmailRequest,
    SmsRequest,
    is_fit_name,
    queue_email,
    queue_sms,
    wrong_email,
    wrong_phone,
)
from singr_comms.people import withdraw_account_exports
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, Sealer, TenantSession
from singr_observability import get_logger
from singr_platform._greeting import greeted, in_one_line

_SmsNotice: TypeAlias = MagicLinkBySms | CodeBySms | ResetPasswordBySms
_EmailNotice: TypeAlias = (
    VerifyEmail
    | ConfirmNewEmail
    | EmailMoved
    | ResetPassword
    | MagicLinkByEmail
    | CodeByEmail
    | WelcomeUser
    | InvitePerson
    | SecurityNoticeOf
)

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_LONGEST_NAME: Final = 100
_SOMEBODY: Final = "there"
_NOWHERE: Final = "0.0.0.0"  # noqa: S104 - what mails show for a caller without an address, nothing is bound to it
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,59}")

_log = get_logger(__name__)


class CommsNotifier:
    """Implements the `Notifier` port of `singr_auth.accounts`.

    The message and its job exist exactly when the caller's transaction commits. Tokens and codes are sealed with the
    message; the job names the message and holds nothing of it. Messages to users about their accounts belong to the
    platform's organization, invitations to the organization that invites, and whatever is told inside a tenant
    session to that session's organization.

    Names are people's own choice, and mail to an address that nobody has confirmed must not carry a stranger's words:
    in messages no name forms a link or a second line, and nobody is greeted or addressed by one that is a message of
    its own or passes for the platform's. Invitations say an organization's name that a brand could have.

    A notice that cannot become a message (an address that SMTP cannot carry, or one that no mail reaches, which
    accounts of before may have) is logged and left out: the change that it speaks of stands.

    Args:
        sealer: made from `AUTH_SECRET`, the same as the worker's.
        links: where messages lead.
        own_names: what the platform itself writes as (`Settings.own_names`).
        allow_test: take addresses of `.test` too, as in development.
    """

    def __init__(
        self, sealer: Sealer, links: Links, *, own_names: Collection[str] = (), allow_test: bool = False
    ) -> None:
        self._sealer = sealer
        self._links = links
        self._own_names = tuple(own_names)
        self._allow_test = allow_test

    async def notify(self, session: PlatformSession | TenantSession, notice: Notice) -> None:
        """Queue the message in the caller's transaction."""
        organization_id = _owner(session, notice)
        if isinstance(session, PlatformSession) and isinstance(notice, SecurityNoticeOf):
            await _withdrawn(session, notice)
        try:
            if isinstance(notice, MagicLinkBySms | CodeBySms | ResetPasswordBySms):
                sms = self._sms(notice)
                await queue_sms(session, sms, sealer=self._sealer, organization_id=organization_id)
            else:
                email = self._email(notice)
                await queue_email(session, email, sealer=self._sealer, organization_id=organization_id)
        except InvalidMessageError as error:
            _log.error("notice.not_sendable", notice=type(notice).__name__, field=error.field)

    def wrong_email(self, email: str) -> str | None:
        """Tell what is wrong with an address that mails cannot go to."""
        return wrong_email(email, allow_test=self._allow_test)

    def wrong_phone(self, phone: str) -> str | None:
        """Tell what is wrong with a number that text messages cannot go to."""
        return wrong_phone(phone)

    def _email(self, notice: _EmailNotice) -> EmailRequest:
        if wrong := self.wrong_email(notice.to.email):
            raise InvalidMessageError("to.email", wrong)
        to = EmailAddress(notice.to.email, greeted(notice.to.name, self._own_names))
        return EmailRequest(to=to, message=self._email_message(notice), user_id=notice.to.user_id)

    def _name(self, person: EmailTarget) -> str:
        return greeted(person.name, self._own_names) or _SOMEBODY

    def _email_message(self, notice: _EmailNotice) -> EmailMessage:
        message: EmailMessage
        match notice:
            case VerifyEmail():
                message = self._verification(notice)
            case ConfirmNewEmail():
                message = self._email_change(notice)
            case EmailMoved():
                message = self._email_changed(notice)
            case ResetPassword():
                link = self._links.reset_password(notice.token.reveal())
                message = PasswordReset(
                    user_name=self._name(notice.to), reset_link=link, expiry_minutes=_minutes(notice)
                )
            case MagicLinkByEmail():
                message = MagicLink(
                    user_email=notice.to.email,
                    magic_link=self._links.magic_link(notice.token.reveal()),
                    expiry_minutes=_minutes(notice),
                    ip_address=_address(notice.address) or _NOWHERE,
                )
            case CodeByEmail():
                code = notice.code.reveal()
                message = TwoFactorCode(user_name=self._name(notice.to), code=code, expiry_minutes=_minutes(notice))
            case WelcomeUser():
                link = self._links.dashboard(notice.account_type)
                message = Welcome(
                    user_name=self._name(notice.to), account_type=notice.account_type, dashboard_link=link
                )
            case InvitePerson():
                message = self._invitation(notice)
            case SecurityNoticeOf():
                message = self._security_notice(notice)
        return message

    def _verification(self, notice: VerifyEmail) -> Verification:
        return Verification(
            user_name=self._name(notice.to),
            verification_link=self._links.verify_email(notice.token.reveal()),
            verification_code=notice.code.reveal(),
            expiry_hours=_whole(notice.expires_in, _HOUR),
        )

    def _email_change(self, notice: ConfirmNewEmail) -> EmailChange:
        return EmailChange(
            account=notice.account,
            new_email=notice.to.email,
            confirm_link=self._links.change_email(notice.token.reveal()),
            code=notice.code.reveal(),
            expiry_hours=_whole(notice.expires_in, _HOUR),
        )

    def _email_changed(self, notice: EmailMoved) -> EmailChanged:
        return EmailChanged(
            user_name=self._name(notice.to),
            new_email=notice.new_email,
            occurred_at=_moment(notice.occurred_at),
            undo_link=self._links.undo_email_change(notice.token.reveal()),
            expiry_days=_whole(notice.expires_in, _DAY),
            ip_address=_address(notice.address),
            device=_device(notice.device),
        )

    def _invitation(self, notice: InvitePerson) -> Invitation:
        # A program's invitations name the organization twice. Dots of a person's own name only stand apart.
        organization = notice.organization_name
        named = _words(organization) if is_fit_name(organization, self._own_names) else None
        is_program = notice.inviter_name == organization
        inviter = named if is_program else greeted(notice.inviter_name, self._own_names)
        return Invitation(
            inviter_name=inviter or "Somebody",
            organization_name=named or "an organization",
            invitation_link=self._links.invitation(notice.token.reveal()),
            expiry_days=_whole(notice.expires_in, _DAY),
        )

    def _security_notice(self, notice: SecurityNoticeOf) -> SecurityNotice:
        return SecurityNotice(
            user_name=self._name(notice.to),
            event=notice.event,
            occurred_at=_moment(notice.occurred_at),
            link=self._links.account(),
            ip_address=_address(notice.address),
            device=_device(notice.device),
        )

    def _sms(self, notice: _SmsNotice) -> SmsRequest:
        minutes = _minutes(notice)
        message: MagicLinkSms | PasswordResetSms | VerificationCodeSms | TwoFactorCodeSms
        if isinstance(notice, MagicLinkBySms):
            link = self._links.magic_link(notice.token.reveal())
            message = MagicLinkSms(magic_link=link, expiry_minutes=minutes)
        elif isinstance(notice, ResetPasswordBySms):
            link = self._links.reset_password(notice.token.reveal())
            message = PasswordResetSms(reset_link=link, expiry_minutes=minutes)
        elif notice.purpose == "phone":
            message = VerificationCodeSms(code=notice.code.reveal(), expiry_minutes=minutes)
        else:
            message = TwoFactorCodeSms(code=notice.code.reveal(), expiry_minutes=minutes)
        return SmsRequest(to=notice.phone, message=message, user_id=notice.user_id)


async def _withdrawn(session: PlatformSession, notice: SecurityNoticeOf) -> None:
    """Take away what was written out for an account that ends."""
    if notice.event == "account_deleted" and notice.to.user_id is not None:
        await withdraw_account_exports(session, notice.to.user_id)


def _owner(session: PlatformSession | TenantSession, notice: Notice) -> UUID:
    if isinstance(notice, InvitePerson):
        return notice.organization_id
    return session.organization_id if isinstance(session, TenantSession) else PLATFORM_ORGANIZATION_ID


def _whole(seconds: int, unit: int) -> int:
    """Whole units that certainly last, at least one."""
    return max(seconds // unit, 1)


def _minutes(notice: ResetPassword | MagicLinkByEmail | CodeByEmail | _SmsNotice) -> int:
    return _whole(notice.expires_in, _MINUTE)


def _words(name: str) -> str:
    return in_one_line(name)[:_LONGEST_NAME].rstrip()


def _address(text: str | None) -> str | None:
    """Give the address itself; an IPv6 caller is known by its network."""
    try:
        return str(ip_network(text, strict=False).network_address) if text else None
    except ValueError:
        return None


def _device(name: str | None) -> str | None:
    """Keep of a device's name what cannot be a link: a program names itself as it likes."""
    found = _DEVICE.match(name or "")
    return found.group().strip() if found else None


def _moment(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%MZ}"
