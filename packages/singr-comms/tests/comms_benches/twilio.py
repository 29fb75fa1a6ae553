from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest

from comms_benches import PATIENT, TRACE, SimulatorBench
from singr_comms import SmsEnvelope, TwilioProvider
from singr_config import Secret
from singr_dev.simulators import TwilioSimulator


class TwilioBench(SimulatorBench):
    channel = "sms"
    rejection = "twilio_21211"
    unauthorized = "twilio_20003"

    @classmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[TwilioSimulator]:
        return nullcontext(request.getfixturevalue("twilio"))

    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        return TwilioProvider(
            self.http,
            account_sid=self.simulator.account_sid,
            auth_token=Secret(secret or self.simulator.auth_token),
            sender=self.simulator.numbers[0],
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=deadline,
        )

    def texts(self) -> list[str]:
        return [one.message["Body"] for one in self.simulator.received]

    def rejected(self, envelope: SmsEnvelope) -> SmsEnvelope:
        return msgspec.structs.replace(envelope, to="+15005550001")  # Twilio's own number for this error
