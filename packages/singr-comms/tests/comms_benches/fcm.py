from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from comms_benches import PATIENT, TRACE, SimulatorBench
from singr_comms import FcmProvider, PushEnvelope
from singr_config import Secret
from singr_dev.simulators import FcmSimulator

REMOVED = "removed-app:0123456789"


class FcmBench(SimulatorBench):
    channel = "push"
    rejection = "fcm_UNREGISTERED"
    unauthorized = "fcm_invalid_grant"
    drops_copies = True

    @classmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[FcmSimulator]:
        return nullcontext(request.getfixturevalue("running")(FcmSimulator))

    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        return FcmProvider(
            self.http,
            project_id=self.simulator.project_id,
            client_email=self.simulator.client_email,
            private_key=Secret(another_key() if secret else self.simulator.private_key),
            base_url=url,
            token_url=f"{url}/token",
            trace_headers=lambda: TRACE,
            deadline=deadline,
        )

    def texts(self) -> list[str]:
        devices = Counter(one.message["token"] for one in self.simulator.received)
        shown = [message["notification"] for token in devices for message in self.simulator.on_device(token)]
        return [one["title"] + one["body"] for one in shown]

    def rejected(self, envelope: PushEnvelope) -> PushEnvelope:
        self.simulator.unregistered.add(REMOVED)
        return msgspec.structs.replace(envelope, to=REMOVED)


def another_key() -> str:
    form = serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
