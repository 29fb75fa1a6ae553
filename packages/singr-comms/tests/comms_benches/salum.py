from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest

from comms_benches import PATIENT, TRACE, SimulatorBench
from singr_comms import SalumProvider, SmsEnvelope
from singr_config import Secret
from singr_dev.simulators import SalumSimulator


class SalumBench(SimulatorBench):
    channel = "sms"
    rejection = "salum_1003"
    unauthorized = "salum_1006"

    @classmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[SalumSimulator]:
        return nullcontext(request.getfixturevalue("running")(SalumSimulator))

    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        return SalumProvider(
            self.http,
            api_key=Secret(secret or self.simulator.api_key),
            partner_id=self.simulator.partner_id,
            shortcode=self.simulator.shortcodes[0],
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=deadline,
        )

    def texts(self) -> list[str]:
        return [one.message["message"] for one in self.simulator.received]

    def rejected(self, envelope: SmsEnvelope) -> SmsEnvelope:
        return msgspec.structs.replace(envelope, to="+15005550001")
