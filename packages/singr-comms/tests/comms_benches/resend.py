from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest

from comms_benches import PATIENT, SENDER, TRACE, SimulatorBench
from singr_comms import EmailAddress, EmailEnvelope, ResendProvider
from singr_config import Secret
from singr_dev.simulators import ResendSimulator


class ResendBench(SimulatorBench):
    channel = "email"
    rejection = "resend_validation_error"
    unauthorized = "resend_validation_error"
    drops_copies = True

    @classmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[ResendSimulator]:
        return nullcontext(request.getfixturevalue("running")(ResendSimulator))

    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        return ResendProvider(
            self.http,
            api_key=Secret(secret or self.simulator.api_key),
            sender=SENDER,
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=deadline,
        )

    def texts(self) -> list[str]:
        messages = [one.message for one in self.simulator.received]
        return [m["subject"] + m["text"] + m["html"] for m in messages]

    def rejected(self, envelope: EmailEnvelope) -> EmailEnvelope:
        return msgspec.structs.replace(envelope, to=EmailAddress("jane.doe@localhost"))
