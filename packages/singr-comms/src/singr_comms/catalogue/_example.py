"""An example of a message: one place for what people would typically have typed, and for hostile texts in its place."""

import inspect
from collections.abc import Callable
from typing import Final

from singr_comms.models._message import Message

_TYPICAL: Final = "Jane"


class Example:
    """Makes an example of a message.

    Args:
        make: takes each text that people type, with a typical one as its default:
            `lambda user="Jane", shop="The Corner Shop": ParcelReady(user_name=user, shop=shop, link=…)`.
    """

    def __init__(self, make: Callable[..., Message]) -> None:
        self._make = make
        given = inspect.signature(make).parameters.values()
        self._typical = [_TYPICAL if one.default is inspect.Parameter.empty else one.default for one in given]

    def __call__(self, name: str) -> Message:
        """The message in which every such text is this one, as suites try it out."""
        return self._make(*[name] * len(self._typical))

    def typical(self) -> Message:
        """The message as people would see it, for previews; where a text has no default, somebody is called Jane."""
        return self._make(*self._typical)
