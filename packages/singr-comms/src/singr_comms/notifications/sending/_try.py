"""One try at one message: who may be called for it, how it begins, and how it ends."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from singr_comms._errors import SendError
from singr_comms.channels._channel import Provider
from singr_comms.notifications.branding._worn import Outfit
from singr_db import TenantSession
from singr_jobs import RetryLater


class Delivered(msgspec.Struct, frozen=True):
    """The job's result: who took the message over, under which id."""

    message_id: UUID
    provider: str | None
    provider_message_id: str | None


class Try(msgspec.Struct, frozen=True):
    """One try at one message.

    Args:
        message_id: its row.
        organization_id: whose it is.
        channel: by which it travels.
        provider: who is called.
        is_last_attempt: no further try will come.
        outfit: what it wears.
        may_wait: with its last attempt it does not fail for what passes.
        unanswered: one who would be called before this one is away, or said "later": it may wait for that one.
        others: who may be called in the same try, where this one certainly did not take it; the nearest first.
        began: when it began, in seconds that pass evenly.
        cut_short: set once the try is being cancelled.
    """

    message_id: UUID
    organization_id: UUID
    channel: str
    provider: Provider
    is_last_attempt: bool
    outfit: Outfit
    may_wait: bool = True
    unanswered: bool = False
    others: tuple[Provider, ...] = ()
    began: float = msgspec.field(default_factory=time.monotonic)
    cut_short: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def at(self, provider: Provider, *others: Provider) -> "Try":
        """The same try, at another provider."""
        return msgspec.structs.replace(self, provider=provider, others=others)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt is committed: call the provider, then `Ledger.finish`.

    Args:
        attempt: its number.
        kind: the message's kind.
        token: by which the provider may tell a copy.
        recipient: a fingerprint of whom it goes to.
        recipient_sealed: to whom.
        content_sealed: what.
        recipient_id: the recipient of its organization, where it goes to one.
        locale: in which language, of those that its type has words in.
        key_wrapped: the key of the recipient's own, where that sealed one of them.
        remaining: seconds for which the message is still of use; no wait is longer.
        until_over: seconds until whoever asked for it wants it sent no more; no wait for what passes is longer.
        put_off: how often it was put off before, until something passes.
        doubted: seconds since the earliest attempt that may have sent it began; None: none may have.
    """

    attempt: int
    kind: str
    token: str
    recipient: bytes
    recipient_sealed: bytes
    content_sealed: bytes
    recipient_id: UUID | None = None
    locale: str | None = None
    key_wrapped: bytes | None = None
    remaining: float
    until_over: float = math.inf
    put_off: int = 0
    doubted: float | None = None

    @property
    def pinned(self) -> bool:
        """Whether an earlier attempt may have sent it, so that no other provider is called."""
        return self.doubted is not None

    def in_time(self, envelope: Any) -> Any:
        """An envelope that says for how long its message is of use, where those of its channel do."""
        life = min(self.remaining, self.until_over)
        if "time_to_live" not in envelope.__struct_fields__ or math.isinf(life):
            return envelope
        return msgspec.structs.replace(envelope, time_to_live=max(1, int(life)))


class AlreadySent(msgspec.Struct, frozen=True):
    """An earlier attempt sent it."""

    provider: str | None
    provider_message_id: str | None


class InFlight(msgspec.Struct, frozen=True):
    """Another runner may be calling the provider; look again after so many seconds."""

    seconds: float


class Pinned(msgspec.Struct, frozen=True):
    """This provider may have it from an earlier attempt, so that no other one is called."""

    provider: str


class Waiting(msgspec.Struct, frozen=True):
    """It waits, and pays no attempt; look again after so many seconds.

    Args:
        seconds: until then.
        why: in a code and in words.
    """

    seconds: float
    why: "Refused"


class BidesItsTime(RetryLater):
    """It waits for its reader, its author or room: nothing holds it up, so that its time does not run meanwhile.

    Args:
        after: seconds until it is looked at again; no attempt is paid for that.
        code: why.
        message: that in words.
    """

    def __init__(self, after: float, code: str, message: str) -> None:
        super().__init__(after, code, message, counts=False)


class InDoubt(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody knows whether it was sent: ask the provider.

    Args:
        attempt: the one in doubt.
        kind: the message's kind.
        token: by which it was sent.
        began_at: when the attempt began, as Unix time.
        age: seconds since then.
        recipient: a fingerprint of whom it went to.
        recipient_sealed: to whom.
        content_sealed: what.
        recipient_id: the recipient of its organization, where it went to one.
        locale: in which language, of those that its type has words in.
        key_wrapped: the key of the recipient's own, where that sealed one of them.
    """

    attempt: int
    kind: str
    token: str
    began_at: float
    age: float
    recipient: bytes
    recipient_sealed: bytes
    content_sealed: bytes
    recipient_id: UUID | None = None
    locale: str | None = None
    key_wrapped: bytes | None = None


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """It will not be sent, for good.

    Args:
        code: as the message's `error` has it.
        message: that in words.
        rule: of what its recipient or their organization chose, the rule that decided so.
    """

    code: str
    message: str
    rule: str | None = None


def told(said: SendError | Refused) -> dict[str, Any]:
    """What rows of messages and attempts say of it."""
    return {"code": said.code, "message": said.message}


Marks: TypeAlias = Mapping[str, bool]
"""What an attempt's `error` holds beside code and words, for the ledger alone."""
UNMARKED: Final[Marks] = {}
PUT_OFF: Final[Marks] = {"put_off": True}
"""With it the message waits until something passes, and is tried less and less often."""

SETTLING: Final = Refused(
    "settling", "it may have been sent: the provider may still tell, or is asked ten minutes after it was called"
)
FLAGGED: Final = Refused(
    "outcome_unknown",
    "an earlier attempt may have sent it, and whether it did cannot be found out: it is not tried again until"
    " somebody has looked it up at the provider, and resolved it",
)

JUST_TRIED: Final = Refused("just_tried", "it was tried a moment ago, and is called about once in ten seconds")
ERASED: Final = Refused("erased", "its recipient was taken off the list or erased")
NO_DEVICE: Final = Refused("no_device", "its recipient does not take pushes on that device any more")
UNQUIET: Final = Refused(
    "quiet_hours", "it came in the recipient's quiet hours, in which nothing of this type is wanted"
)
QUIETLY_OVER: Final = Refused("expired", "the recipient's quiet hours end after it was of use")
OVER: Final = Refused("expired", "it was to be sent by then or not at all: its time was over")
PREFERENCE: Final = "preference"
"""The code of what its reader does not want."""
UNWANTED: Final = "its recipient does not want it: {rule} is off"
"""That in words, with the rule that decided."""

Opening: TypeAlias = Begun | AlreadySent | InFlight | Pinned | Waiting | InDoubt | Refused


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended.

    Args:
        attempt_status: for the attempt's row.
        message_status: for the message's row: `queued` when another try will follow.
        provider: who was called.
        provider_message_id: of a sent message.
        error: `{"code", "message"}`, or None.
        message_error: what the message's row says in its place.
        ends: no other try will follow.
    """

    attempt_status: Literal["sent", "failed", "unknown"]
    message_status: Literal["sent", "queued", "failed", "unknown"]
    provider: str
    provider_message_id: str | None = None
    error: dict[str, Any] | None = None
    message_error: dict[str, Any] | None = None
    ends: bool = False


class LastLook(Protocol):
    """Looks at a message once more before a provider is called; of one without a recipient it asks nothing."""

    begin: str
    """`singr_comms.notifications.sending._ordinary.begin_statement` with this look in it, registered."""

    def values(self, kind: str) -> dict[str, Any]:
        """What `begin` takes beside the values of an ordinary one, of a message of this type."""

    async def stops(self, session: TenantSession, row: Any, hashes: Sequence[bytes]) -> Refused | None:
        """Return what stops a message; None where it may go.

        Args:
            session: fenced to the message's organization.
            row: of the message: its `recipient_id`, `kind` and `channel`, and whether it `is_pressing`.
            hashes: every fingerprint of the address that it goes to.

        Raises:
            BidesItsTime: its reader is not to be disturbed now.
        """
