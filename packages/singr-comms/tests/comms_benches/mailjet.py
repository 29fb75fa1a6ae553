from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest

from comms_benches import PATIENT, SENDER, TRACE, SimulatorBench
from singr_comms import EmailAddress, EmailEnvelope, MailjetProvider
from singr_config import Secret
from singr_dev.simulators import MailjetSimulator


class MailjetBench(SimulatorBench):
    channel = "email"
    rejection = "mailjet_mj-0013"
    unauthorized = "mailjet_mj-0015"

    @classmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[MailjetSimulator]:
        return nullcontext(request.getfixturevalue("mailjet"))

    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        return MailjetProvider(
            self.http,
            api_key=Secret(self.simulator.api_key),
            secret_key=Secret(secret or self.simulator.secret_key),
            sender=SENDER,
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=deadline,
        )

    def texts(self) -> list[str]:
        messages = [one.message for one in self.simulator.received]
        return [m["Subject"] + m["TextPart"] + m["HTMLPart"] for m in messages]

    def rejected(self, envelope: EmailEnvelope) -> EmailEnvelope:
        return msgspec.structs.replace(envelope, to=EmailAddress("jane.doe@localhost"))
