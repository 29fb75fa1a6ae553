"""Where messages go in development: to simulators of the providers, over real HTTP, and from there into the inbox."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from singr_dev.inbox import Inbox
from singr_dev.simulators import FcmSimulator, TwilioSimulator

_OFF: Final = frozenset({"false", "0", "no", "off"})
_SMTP: Final = frozenset({"smtp", "mailpit"})


@dataclass(frozen=True)
class Delivery:
    """The inbox, and the simulators whose messages it shows."""

    inbox: Inbox
    twilio: TwilioSimulator
    fcm: FcmSimulator

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """What leads each channel here whose provider the developer has not chosen.

        It goes before what the developer gave: credentials of a provider that is not chosen send nothing.
        """
        found: dict[str, str] = {}
        for channel, ours in self._channels().items():
            chosen = given.get(f"{channel}_PROVIDER", "")
            if channel == "EMAIL" and "SMTP_HOST" in given:
                found |= {} if chosen else {"EMAIL_PROVIDER": "smtp"}
            elif not chosen:
                found |= ours
            elif channel == "EMAIL" and chosen in _SMTP:
                found |= self.inbox.environ
        return found

    def shows(self, channel: str, environ: Mapping[str, str]) -> bool:
        """Whether what a channel sends under these variables comes to the inbox."""
        if environ.get(f"ENABLE_{channel}_SENDING", "").lower() in _OFF:
            return False
        return all(environ.get(name) == value for name, value in self._channels()[channel].items())

    def _channels(self) -> dict[str, dict[str, str]]:
        return {"EMAIL": self.inbox.environ, "SMS": self.twilio.environ, "PUSH": self.fcm.environ}


@contextmanager
def delivering(folder: Path, ports: Mapping[str, int], secrets: Mapping[str, str]) -> Iterator[Delivery]:
    """Serve inbox and simulators for the length of the block.

    Args:
        folder: where messages are kept.
        ports: by variable.
        secrets: of this directory, such as the key of the push service's account.
    """
    with ExitStack() as stack:
        inbox = stack.enter_context(Inbox(folder, smtp_port=ports["SMTP_PORT"], http_port=ports["INBOX_PORT"]))
        twilio, fcm = TwilioSimulator(), FcmSimulator(private_key=secrets["FIREBASE_PRIVATE_KEY"])
        inbox.show("sms", "twilio", twilio)
        inbox.show("push", "fcm", fcm)
        stack.enter_context(twilio.serve(ports["TWILIO_SIMULATOR_PORT"]))
        stack.enter_context(fcm.serve(ports["FCM_SIMULATOR_PORT"]))
        yield Delivery(inbox, twilio, fcm)
