"""Codes for development: made here at random, and logged instead of sent."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from singr_comms._errors import UnsafeProviderError
from singr_comms._masking import mask_phone
from singr_comms.models._fields import E164
from singr_comms.models._message import checked
from singr_comms.providers._console import Log, to_logging
from singr_config import AppEnv
from singr_config.clock import clock

_NAME: Final = "console_verify"
_DIGITS: Final = 6
_LIFETIME: Final = 600.0
_MOST_CHECKS: Final = 5
_MOST_NUMBERS: Final = 1000


class _Open(msgspec.Struct):
    code: str
    until: float
    checks: int = 0


class ConsoleVerify:
    """Stands in for Twilio Verify on a developer's machine; kept in this process's memory.

    Every code is drawn at random, works once, for ten minutes and five tries: no code opens everything.

    Args:
        env: where this runs.
        log: where the lines with the codes go; as for the console providers.
        clock: says how many seconds have passed since some moment; the process's clock unless given.

    Raises:
        UnsafeProviderError: it would run elsewhere than in development or test, where codes in logs are keys for
            whoever reads them.
    """

    def __init__(self, *, env: AppEnv, log: Log | None = None, clock: Callable[[], float] = clock.time) -> None:
        if env not in {AppEnv.DEVELOPMENT, AppEnv.TEST}:
            raise UnsafeProviderError(
                f"the console shows codes to whoever reads the logs, so it is refused in {env}: set SMS_PROVIDER=twilio"
            )
        self._log = log or to_logging
        self._clock = clock
        self._open: OrderedDict[str, _Open] = OrderedDict()

    @property
    def name(self) -> str:
        """`console_verify`."""
        return _NAME

    async def start(self, phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        """Draw a code and log it; it takes the place of an earlier one.

        Raises:
            InvalidMessageError: `phone` is no number in E.164 form.
        """
        number = checked(phone, E164)
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        self._open.pop(number, None)
        self._open[number] = _Open(code, self._clock() + _LIFETIME)
        if len(self._open) > _MOST_NUMBERS:
            self._open.popitem(last=False)
        self._log(f"{channel} verification code for {mask_phone(number)}: {code}")

    async def check(self, phone: str, code: str) -> bool:
        """Tell whether this is the code that was logged last, once.

        Raises:
            InvalidMessageError: `phone` is no number in E.164 form.
        """
        number = checked(phone, E164)
        found = self._open.get(number)
        if found is None or self._clock() >= found.until or found.checks >= _MOST_CHECKS:
            self._open.pop(number, None)
            return False
        found.checks += 1
        if not hmac.compare_digest(found.code.encode(), code.encode(errors="replace")):
            return False
        del self._open[number]
        return True
