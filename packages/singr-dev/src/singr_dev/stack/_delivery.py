"""Where messages go in development: to simulators of the providers, over real HTTP, and from there into the inbox."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from httpx import HTTPError

from singr_config import BrandSettings, load_section
from singr_db import PLATFORM_ORGANIZATION_ID
from singr_dev._errors import DevError
from singr_dev.client import DevClient
from singr_dev.inbox import Callbacks, Inbox
from singr_dev.simulators import FcmSimulator, ResendSimulator, TwilioSimulator
from singr_dev.stack._state import Runtime

_OFF: Final = frozenset({"false", "0", "no", "off"})
_SMTP: Final = frozenset({"smtp", "mailpit"})
_DOMAIN: Final = "singrkaraoke.com"
_TOLD: Final = "/v1/webhooks/twilio/status"


@dataclass(frozen=True)
class Delivery:
    """The inbox, and the simulators whose messages it shows."""

    inbox: Inbox
    resend: ResendSimulator
    twilio: TwilioSimulator
    fcm: FcmSimulator
    _ends: ExitStack

    def environ(self, given: Mapping[str, str], url_api: str) -> dict[str, str]:
        """What leads each channel here whose provider the developer has not chosen.

        It goes before what the developer gave: credentials of a provider that is not chosen send nothing.

        Args:
            given: what the developer has set.
            url_api: where providers reach the API.
        """
        found = {} if given.get("SMS_PROVIDER") else {"TWILIO_STATUS_CALLBACK": f"{url_api.rstrip('/')}{_TOLD}"}
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
        sender = ("EMAIL_FROM",)  # is the developer's to choose
        mail = {name: value for name, value in self.resend.environ.items() if name not in sender}
        return {"EMAIL": mail, "SMS": self.twilio.environ, "PUSH": self.fcm.environ}

    def call_back(self, runtime: Runtime) -> None:
        """Let what happens to messages in the inbox be told to the API that runs."""
        environ = {**os.environ, **runtime.environ}
        client = self._ends.enter_context(DevClient(runtime))
        callbacks = Callbacks(
            api=runtime.api,
            address=environ.get("APP_URL_API", runtime.api).rstrip("/"),
            resend_secret=environ["RESEND_WEBHOOK_SECRET"],
            twilio=self.twilio,
            fcm=self.fcm,
            delivery=partial(_delivery, client),
        )
        self._ends.callback(callbacks.close)
        self.inbox.callbacks = callbacks
        self.inbox.brand = load_section(BrandSettings, environ, env_file=None)


def _delivery(client: DevClient, message_id: str) -> dict[str, Any] | None:
    """What the delivery log says of a message, of the demo organization or of the platform; None where it does not."""
    with suppress(ValueError, HTTPError):
        known = str(UUID(message_id))
        for organization in (client.organization_id, str(PLATFORM_ORGANIZATION_ID)):
            with suppress(DevError):
                return client.delivery(known, organization_id=organization) | {"organization_id": organization}
    return None


@contextmanager
def delivering(
    folder: Path, ports: Mapping[str, int], secrets: Mapping[str, str], given: Mapping[str, str]
) -> Iterator[Delivery]:
    """Serve inbox and simulators for the length of the block.

    Args:
        folder: where messages are kept.
        ports: by variable.
        secrets: of this directory, such as the key of the push service's account.
        given: what the developer has set: mails may come from the domain of `EMAIL_FROM`.
    """
    with ExitStack() as stack:
        inbox = stack.enter_context(Inbox(folder, smtp_port=ports["SMTP_PORT"], http_port=ports["INBOX_PORT"]))
        sender = parseaddr(given.get("EMAIL_FROM", ""))[1].rpartition("@")[2].lower()
        resend = ResendSimulator(domains=[_DOMAIN, *filter(None, [sender])])
        twilio, fcm = TwilioSimulator(), FcmSimulator(private_key=secrets["FIREBASE_PRIVATE_KEY"])
        twilio.calls_back = False  # what happens to a message, the developer says
        inbox.show("email", "resend", resend)
        inbox.show("sms", "twilio", twilio)
        inbox.show("push", "fcm", fcm)
        stack.enter_context(resend.serve(ports["RESEND_SIMULATOR_PORT"]))
        stack.enter_context(twilio.serve(ports["TWILIO_SIMULATOR_PORT"]))
        stack.enter_context(fcm.serve(ports["FCM_SIMULATOR_PORT"]))
        yield Delivery(inbox, resend, twilio, fcm, stack)
