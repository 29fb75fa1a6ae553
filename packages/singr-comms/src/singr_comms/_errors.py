"""What can go wrong with a message, sorted by what the caller may do next."""

from typing import ClassVar

from singr_comms._masking import storable_code, storable_words
from singr_config import PortableError


class CommsError(PortableError):
    """Base of every error this package raises on purpose."""


class InvalidMessageError(CommsError, ValueError):
    """A message breaks its model: a variable is missing, too long, or holds what it must not.

    Args:
        field: path of the offending variable, such as `user_name`; empty when the whole message is meant.
        message: what is wrong with it, in words that never repeat the value.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


class DeclarationError(CommsError):
    """A message type, channel or provider is declared wrong; the message says what would be right."""


class UnsafeProviderError(CommsError):
    """A provider for development was to be used where real people are served."""


class SendError(CommsError):
    """A provider did not confirm a message. Always one of the kinds below.

    Args:
        code: stable, short and machine-readable, such as `twilio_21610` or `timeout`.
        message: for people; addresses, phone numbers and codes are masked in it.

    Both may come from a provider: whatever it says, the code is kept as a token of at most 64 characters, and the
    message as at most 1,000 printable ones on one line, so that every store takes them.

    Each kind says by `may_be_repeated` whether a job whose handler raises it is tried again: only what certainly was
    not sent and may succeed later.
    """

    def __init__(self, code: str, message: str) -> None:
        code, message = storable_code(code), storable_words(message)
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message


class TransientError(SendError):
    """Certainly not sent, and worth another try.

    Args:
        code: see `SendError`.
        message: see `SendError`.
        retry_after: seconds the provider asked to wait, or None when it named none.
        doubtful: see `PermanentSendError`.
        about_recipient: it speaks of this recipient, such as a full mailbox or a greylist: the provider works.
        waits: it may take minutes or hours to pass, and says nothing against the message: nobody answers, or a mail
            server says "later". A message waits for that once its attempts are spent.
        recipient_domain: nobody answered once this recipient was named, so that the mail servers of this domain may be
            why; empty: they have no part in it. Never shown or logged.

    Raises:
        TypeError: `retry_after` is no number.
    """

    may_be_repeated: ClassVar[bool] = True

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        doubtful: bool = False,
        about_recipient: bool = False,
        waits: bool = False,
        recipient_domain: str = "",
    ) -> None:
        if retry_after is not None and (isinstance(retry_after, bool) or not isinstance(retry_after, int | float)):
            raise TypeError(f"retry_after must be a number of seconds or None, not {retry_after!a:.40}")
        super().__init__(code, message)
        self.retry_after = retry_after
        self.doubtful = doubtful
        self.about_recipient = about_recipient
        self.waits = waits
        self.recipient_domain = recipient_domain


class AccountRefusedError(TransientError):
    """Certainly not sent, for a reason that lies with our account at the provider and not with the message.

    A wrong or expired key, an unpaid bill, a used-up quota, a sender that was not verified, a suspended account: every
    other message would be refused as well, and all of them can be sent once the account is accepted again.

    Args:
        code: see `SendError`.
        message: see `SendError`.
        retry_after: see `TransientError`.
        only_some: the account is open to other recipients: an account for tests, a country that it may not send to.
            This message waits; the others are not held.
        later: it says "not now" to everybody, and nothing against the account: a server that is busy or restarts.
        of_message: it was said of one message, whose recipient or words may be behind it after all: only the
            organizations whose messages meet it are held. Otherwise none could be sent, whomever it goes to.
        waits: see `TransientError`: what turns out to be this message's own is waited for.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        only_some: bool = False,
        later: bool = False,
        of_message: bool = False,
        waits: bool = False,
    ) -> None:
        super().__init__(code, message, retry_after=retry_after, waits=waits)
        self.only_some = only_some
        self.later = later
        self.of_message = of_message


class TooManyRequestsError(TransientError):
    """Certainly not sent: the provider was asked too often. Nothing about the message, so it is not lost for it."""


class PermanentSendError(SendError):
    """Certainly not sent, and the same request would fail again.

    Args:
        code: see `SendError`.
        message: see `SendError`.
        doubtful: nothing in the answer tells whether it speaks of the message and its recipient, or of our account.
            It is tried again while it may; given to several recipients in a row, it counts as the account's refusal.
    """

    may_be_repeated: ClassVar[bool] = False

    def __init__(self, code: str, message: str, *, doubtful: bool = False) -> None:
        super().__init__(code, message)
        self.doubtful = doubtful


class UnknownOutcomeError(SendError):
    """The request may have reached the provider, but its answer never reached us: it may or may not have been sent.

    Args:
        code: see `SendError`.
        message: see `SendError`.
        foreign: a success was answered that this provider never gives, such as a 200 with a page in it: something else
            may answer in its place, and would do so to every message. One such answer opens its circuit breaker.
        about_message: it speaks of this message alone, and another try would tell no more: the provider works.
        recipient_domain: see `TransientError`.
    """

    may_be_repeated: ClassVar[bool] = False

    def __init__(
        self,
        code: str,
        message: str,
        *,
        foreign: bool = False,
        about_message: bool = False,
        recipient_domain: str = "",
    ) -> None:
        super().__init__(code, message)
        self.foreign = foreign
        self.about_message = about_message
        self.recipient_domain = recipient_domain
