"""Who sends by each channel, in the order in which they are called."""

from collections.abc import Mapping, Sequence

from singr_comms.channels._channel import Closes, Provider


class LineUps:
    """The providers of each channel: one, or several of which the first whose breaker is closed is called."""

    def __init__(self, providers: Mapping[str, Provider | Sequence[Provider]]) -> None:
        self._of = {channel: tuple(who) if isinstance(who, Sequence) else (who,) for channel, who in providers.items()}

    def __getitem__(self, channel: str) -> tuple[Provider, ...]:
        """Those of a channel; KeyError: there is no such channel."""
        return self._of[channel]

    def provider(self, channel: str, name: str) -> Provider:
        """The one of this name."""
        return next(one for one in self._of[channel] if one.name == name)

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Every channel and the name of each of its providers."""
        return tuple((channel, one.name) for channel, line_up in self._of.items() for one in line_up)

    async def close(self) -> None:
        """Let them give up what they keep open, such as connections to a mail server."""
        for one in (one for line_up in self._of.values() for one in line_up):
            if isinstance(one, Closes):
                await one.close()
