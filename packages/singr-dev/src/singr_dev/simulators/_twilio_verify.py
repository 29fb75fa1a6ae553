"""What Twilio Verify v2 remembers and refuses (https://www.twilio.com/docs/verify/api)."""

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from singr_config.clock import clock

_LIFETIME: Final = 600.0
_MOST_SENDS: Final = 5
_MOST_CHECKS: Final = 5
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CODE: Final = re.compile(r"[0-9A-Za-z]{4,10}")
_CHANNELS: Final = ("sms", "call")
_TO_START: Final = frozenset({"To", "Channel", "Locale", "CustomFriendlyName", "CustomMessage", "SendDigits", "Tags"})
_TO_CHECK: Final = frozenset({"To", "Code", "VerificationSid"})
# A number that Twilio itself keeps for tests of its errors: no mobile phone.
_LANDLINE: Final = "+15005550009"

Then = Callable[[], None]


@dataclass
class Verification:
    """One open verification of a number."""

    to: str
    channel: str
    sid: str = field(default_factory=lambda: f"VE{secrets.token_hex(16)}")
    code: str = field(default_factory=lambda: f"{secrets.randbelow(10**6):06d}")
    started: float = field(default_factory=clock.time)
    sends: int = 0
    checks: int = 0
    attempts: list[dict[str, str]] = field(default_factory=list)


class RefusalError(Exception):
    """Twilio's error: its code, the HTTP status and the words."""

    def __init__(self, code: int, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status, self.message = code, status, message


class Verifications:
    """The verifications of one service, by number; not safe between threads."""

    def __init__(self, account_sid: str) -> None:
        self._account_sid = account_sid
        self._open: dict[str, Verification] = {}

    def clear(self) -> None:
        """Forget all of them."""
        self._open.clear()

    def expire(self) -> None:
        """Let ten minutes pass for all that are open."""
        for verification in self._open.values():
            verification.started -= _LIFETIME

    def code_for(self, to: str) -> str:
        """Give the code that the number's owner was sent."""
        return self._open[to].code

    def start(self, service: str, fields: Mapping[str, str]) -> tuple[Verification, dict[str, Any], Then]:
        """Check a request for a code; what it answers, and what is done once it is taken.

        Raises:
            RefusalError: Twilio would refuse it.
        """
        to, channel = fields.get("To", ""), fields.get("Channel", "")
        _known(fields, _TO_START)
        _required(fields, "To", "Channel")
        if not _E164.fullmatch(to):
            raise _invalid(f"`To`: {to}")
        if channel not in _CHANNELS:
            raise _invalid(f"`Channel`: {channel}")
        if to == _LANDLINE and channel == "sms":
            raise RefusalError(60205, 403, "SMS is not supported by landline phone number")
        verification = self._find(to) or Verification(to, channel)
        if verification.sends >= _MOST_SENDS:
            raise RefusalError(60203, 429, "Max send attempts reached")
        attempt = {"time": _iso(clock.time()), "channel": channel, "attempt_sid": f"VL{secrets.token_hex(16)}"}

        def then() -> None:
            self._open[to] = verification
            verification.channel = channel
            verification.sends += 1
            verification.attempts.append(attempt)

        shown = self._shown(service, verification, "pending") | {
            "channel": channel,
            "lookup": {},
            "send_code_attempts": [*verification.attempts, attempt],
            "url": f"https://verify.twilio.com/v2/Services/{service}/Verifications/{verification.sid}",
        }
        return verification, shown, then

    def check(self, service: str, fields: Mapping[str, str]) -> tuple[dict[str, Any], Then]:
        """Check a code; what it answers, and what is done once it is taken.

        Raises:
            RefusalError: Twilio would refuse it; 404 also for a number whose verification is over, whatever ended it.
        """
        _known(fields, _TO_CHECK)
        _required(fields, "Code")
        code = fields["Code"]
        if not fields.get("To") and not fields.get("VerificationSid"):
            raise _invalid("To or VerificationSid")
        if not _CODE.fullmatch(code):
            raise _invalid("Code")
        verification = self._named(fields)
        if verification is None:
            raise RefusalError(
                20404, 404, f"The requested resource /Services/{service}/VerificationCheck was not found"
            )
        right = hmac.compare_digest(verification.code.encode(), code.encode())

        def then() -> None:
            verification.checks += 1
            if right or verification.checks >= _MOST_CHECKS:
                self._open.pop(verification.to, None)

        return self._shown(service, verification, "approved" if right else "pending"), then

    def _named(self, fields: Mapping[str, str]) -> Verification | None:
        if to := fields.get("To"):
            return self._find(to)
        sid = fields["VerificationSid"]
        return next((self._find(to) for to, one in list(self._open.items()) if one.sid == sid), None)

    def _find(self, to: str) -> Verification | None:
        found = self._open.get(to)
        if found is not None and clock.time() - found.started >= _LIFETIME:
            del self._open[to]
            return None
        return found

    def _shown(self, service: str, verification: Verification, status: str) -> dict[str, Any]:
        return {
            "sid": verification.sid,
            "service_sid": service,
            "account_sid": self._account_sid,
            "to": verification.to,
            "channel": verification.channel,
            "status": status,
            "valid": status == "approved",
            "amount": None,
            "payee": None,
            "sna_attempts_error_codes": None,
            "date_created": _iso(verification.started),
            "date_updated": _iso(clock.time()),
        }


def _known(fields: Mapping[str, str], names: frozenset[str]) -> None:
    if not fields.keys() <= names:
        raise RefusalError(20001, 400, "Unknown parameter")


def _required(fields: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not fields.get(name):
            raise RefusalError(20001, 400, f"Missing required parameter {name} in the post body")


def _invalid(words: str) -> RefusalError:
    return RefusalError(60200, 400, f"Invalid parameter {words}")


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
