"""What sending by one channel asks of database and queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from singr_comms.channels._channel import Channel
from singr_comms.models._message import Message
from singr_config import LimitSettings
from singr_jobs import Queue


class MessageRequest(Protocol):
    """What callers ask for: whom to tell what."""

    @property
    def to(self) -> Any:
        """The recipient, as the channel writes it."""

    @property
    def message(self) -> Message:
        """The message."""

    @property
    def user_id(self) -> UUID | None:
        """The user it belongs to, for the limit per user and hour."""


class Unreachable(Protocol):
    """Looks at a recipient as `ChannelWork.unreachable` says."""

    def __call__(self, to: Any, /, *, allow_test: bool) -> Mapping[str, str]:
        """`allow_test` lets names pass that are kept for tests."""


def _all_reachable(_to: Any, /, *, allow_test: bool) -> Mapping[str, str]:  # noqa: ARG001 - as `Unreachable` has it
    return {}


@dataclass(frozen=True, slots=True)
class ChannelWork:
    """How a channel's messages are asked for, queued and limited. A module of this package declares one as `WORK`.

    Args:
        channel: the channel.
        request: what callers ask for: a struct of `to`, `message` and `user_id`.
        job: the job that sends one stored message: a struct of `message_id`, tagged with the job type's name.
        queue: where its jobs wait.
        timeout: seconds for one try.
        per_hour: messages to one reader in an hour.
        per_day: messages of one organization in a day.
        unreachable: what is wrong with a recipient that is well written and cannot exist, by field.
        unreachable_from_code: ask that of messages which code queues, too. Where a message costs money and its
            recipient is counted, one recipient must not have several names, whoever gives them.
    """

    channel: Channel[Any, Any]
    request: type[Any]
    job: type[Any]
    queue: Queue
    timeout: float
    per_hour: Callable[[LimitSettings], int]
    per_day: Callable[[LimitSettings], int]
    unreachable: Unreachable = _all_reachable
    unreachable_from_code: bool = False
