"""Who sends by each channel, in the order in which they are called, and whose door is open."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from singr_comms.catalogue import message_types
from singr_comms.channels._channel import LONGEST_CALL, Closes, Provider, longest_call

REFUSED: Final = "provider_refused"
FAILING: Final = "provider_failing"
Wait: TypeAlias = tuple[float, str, str]
"""Seconds until a provider may be called, in words why not now, and the code of that."""
_Named = TypeVar("_Named")
_MARGIN: Final = 2.0  # seconds between an attempt's beginning and its call


def shut(provider: str, wait: float, *, refuses: bool) -> Wait:
    """The door of a provider that is not called for so long, since it takes nothing from us, or fails."""
    what, code = ("takes nothing from us for now", REFUSED) if refuses else ("fails", FAILING)
    return wait, f"{provider} {what}", code


async def from_first_open(
    line_up: Sequence[_Named], door: Callable[[_Named], Awaitable[Wait | None]]
) -> tuple[Sequence[_Named], list[Wait]]:
    """Those of a line-up who may be called, from the first whose door is open; and for how long the others wait."""
    waits: list[Wait] = []
    for number, one in enumerate(line_up):
        wait = await door(one)
        if wait is None:
            return line_up[number:], waits
        waits.append(wait)
    return (), waits


class LineUps:
    """The providers of each channel: one, or several of which the first whose breaker is closed is called.

    Args:
        providers: by channel.
        in_flight: what `in_flight` says of every message; None: as long as its provider's calls may take.
    """

    def __init__(
        self, providers: Mapping[str, Provider | Sequence[Provider]], *, in_flight: float | None = None
    ) -> None:
        self._in_flight = in_flight
        self._of = {channel: tuple(who) if isinstance(who, Sequence) else (who,) for channel, who in providers.items()}

    def __getitem__(self, channel: str) -> tuple[Provider, ...]:
        """Those of a channel; KeyError: there is no such channel."""
        return self._of[channel]

    def provider(self, channel: str, name: str) -> Provider:
        """The one of this name."""
        return next(one for one in self._of[channel] if one.name == name)

    def longest_call(self, channel: str, name: str | None) -> float:
        """Seconds after which the one of this name gives up on a call."""
        return next((longest_call(one) for one in self._of[channel] if one.name == name), LONGEST_CALL)

    def in_flight(self, message: Any) -> float:
        """Seconds for which the last call for a message, by its row, may be on its way after its attempt began.

        What may repeat waits for no long call: a second code does no harm, and one that is missing locks somebody out.
        """
        if self._in_flight is not None:
            return self._in_flight
        longest = self.longest_call(message.channel, message.provider)
        if message_types.when_unknown(message.kind) == "repeat":
            longest = min(longest, LONGEST_CALL)
        return longest + _MARGIN

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of those of each channel."""
        return {channel: tuple(one.name for one in line_up) for channel, line_up in self._of.items()}

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Every channel and the name of each of its providers."""
        return tuple((channel, one.name) for channel, line_up in self._of.items() for one in line_up)

    async def close(self) -> None:
        """Let them give up what they keep open, such as connections to a mail server."""
        for one in (one for line_up in self._of.values() for one in line_up):
            if isinstance(one, Closes):
                await one.close()
