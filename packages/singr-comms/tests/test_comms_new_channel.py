"""A new channel is new files: with two of them beside a copy of the package, everything else knows it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import singr_comms

CHANNEL = """
from typing import Final

import msgspec

from singr_comms.channels._channel import Channel
from singr_comms.models._message import Message
from singr_comms.rendering._templates import render
from singr_config import BrandSettings


class FaxEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    to: str
    message: Message
    idempotency_token: str
    locale: str | None = None


class Fax(Channel[str, FaxEnvelope]):
    name = "fax"
    said = "fax"
    texts = ("fax.txt",)
    recipient = str
    envelope = FaxEnvelope

    def address(self, to: str) -> str:
        return to

    def masked(self, to: str) -> str:
        return "device"

    def shown(self, message: Message, brand: BrandSettings, locale: str | None = None) -> tuple[str, str]:
        return "", render(message, brand, *self.texts)[0].strip()


CHANNEL: Final = Fax()
"""
WORK = """
from typing import Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import Message
from singr_comms.channels.fax import CHANNEL
from singr_comms.notifications.channels._work import ChannelWork
from singr_jobs import Queue


class FaxRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: str
    message: Message
    user_id: UUID | None = None


class SendFax(msgspec.Struct, frozen=True, tag="fax.send"):
    message_id: UUID


WORK: Final = ChannelWork(
    CHANNEL,
    request=FaxRequest,
    job=SendFax,
    queue=Queue.PUSH,
    timeout=30,
    per_hour=lambda limits: 100,
    per_day=lambda limits: 1000,
)
"""
TYPE = """
from singr_comms.catalogue import Message, MessageType


class Nudge(Message, tag="nudge", frozen=True, kw_only=True):
    text: str


MESSAGE_TYPE = MessageType(__name__, when_unknown="settle", fax=Nudge, examples=(lambda name: Nudge(text=name),))
"""
PROVIDER = """
from typing import Any

from singr_comms.channels._channel import SendReceipt
from singr_comms.providers._provider import ProviderType


class Pigeon:
    name = "pigeon"
    takes_idempotency_key = False

    async def send(self, envelope: Any) -> SendReceipt:
        return SendReceipt("pigeon")


PROVIDER = ProviderType("pigeon", "fax", lambda given: Pigeon())
"""
PROGRAM = """
import asyncio, msgspec, httpx
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4
import singr_comms
from singr_comms import MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider, message_types
from singr_comms.channels import CHANNELS
from singr_comms.channels.fax import FaxEnvelope
from singr_comms.messages.nudge import Nudge
from singr_comms.notifications import MessageIntake, MessageSender, message_intakes, message_jobs
from singr_comms.notifications.channels.fax import FaxRequest, SendFax
from singr_comms.providers._console import ConsoleProvider
from singr_comms.providers._factory import build_provider
from singr_config import LimitSettings, Secret
from singr_db import Sealer
from singr_observability import build_metrics

[texts] = message_types.named("nudge").try_out("Jane").values()
assert texts == ["Hey Jane"], texts
lines = []
console = ConsoleProvider(CHANNELS["fax"], log=lines.append, show_content=True)
asyncio.run(console.send(FaxEnvelope(to="d", message=Nudge(text="you"), idempotency_token="t")))
assert lines == ["fax nudge to device: Hey you"], lines

job = message_jobs().named("fax.send")
body = b'{"to": "device-1", "message": {"kind": "nudge", "text": "you"}}'
request = msgspec.json.decode(body, type=job.request)
assert isinstance(request, FaxRequest)
sealer = Sealer(Secret("s" * 40))
stored, row = message_intakes(sealer)[SendFax].prepare(
    request, job_id=uuid4(), organization_id=uuid4(), correlation_id=None
)
assert isinstance(stored, SendFax) and (row.channel, row.kind, row.recipient_masked) == ("fax", "nudge", "device")

providers = {"email": MemoryEmailProvider(), "sms": MemorySmsProvider(), "push": MemoryPushProvider()}
try:
    MessageSender(None, sealer, limits=LimitSettings(), metrics=build_metrics(), **providers)
except TypeError as error:
    assert "email, fax, push, sms" in str(error), error
else:
    raise AssertionError("a channel without a provider")
app = SimpleNamespace(env="test")
assert build_provider("fax", None, app, None).name == "pigeon"
print(Path(singr_comms.__file__).parent)
"""


def test_a_new_channel_is_new_files_and_no_edited_list(tmp_path: Path) -> None:
    package = tmp_path / "singr_comms"
    shutil.copytree(Path(singr_comms.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "channels/fax.py").write_text(CHANNEL)
    (package / "notifications/channels/fax.py").write_text(WORK)
    (package / "providers/pigeon.py").write_text(PROVIDER)
    (package / "messages/nudge").mkdir()
    (package / "messages/nudge/__init__.py").write_text(TYPE)
    (package / "messages/nudge/fax.txt").write_text("Hey {{ text }}\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(package), "the copy was tried, and nothing else"
