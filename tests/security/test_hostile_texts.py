"""S16 and S21 through the whole system: what people call themselves reaches mails as text and as nothing else."""

import itertools
import random

import pytest
from people import Town
from sites import until

from singr_comms.rendering._mime import HEADERS
from singr_dev.inbox import Inbox

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")

LINE_ENDS = ("=0D=0A", "=0A", "=0D", "=0D=0A=0D=0A", "=00", "=E2=80=AE", "=E2=80=8B")
CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "utf-8*en", "unknown-8bit")
NAMES = [
    *(f"=?{charset}?q?Jo{end}Bcc=3A_x=40evil.example?=" for charset, end in itertools.product(CHARSETS, LINE_ENDS)),
    "=?utf-8?b?SGkNCkJjYzogeEBldmlsLmV4YW1wbGU=?=",
    'Ada" <evil@evil.example>, "',
    "Ada\\",
    "Ada (Bcc: x)",
    "{{var:x}} {% x %} [[data:x]]",
]
WORDS = ("Zoë", "Müller", "naïve", "café", "song", "日本語", "🎤", "señor", "a", "Łódź")


def mixed(count: int) -> list[str]:
    """Names of ordinary words and the pieces that encoded words are made of."""
    draw = random.Random(6923)
    pieces = (*WORDS, "=?utf-8?q?", "?=", "=0D=0A", "=?", "?q?", "=?utf-8?b?DQo=?=")
    return [" ".join(draw.choices(pieces, k=draw.randint(1, 6)))[:100].strip() for _ in range(count)]


@full
@pytest.mark.parametrize("names", [NAMES, mixed(60)], ids=["encoded words", "mixed"])
def test_names_of_people_reach_their_mails_as_text_and_as_nothing_else(
    town: Town, inbox: Inbox, names: list[str]
) -> None:
    named = {town.someone(): name for name in names}
    for email, name in named.items():
        account = {"account_type": "singer", "email": email, "password": "correct horse battery 7", "name": name}
        answer = town.client().send_json("/v1/auth/register", account)
        assert answer.status_code == 202, (name, answer.text)
    with town.site.run_worker(environ=inbox.environ):
        until(lambda: len(mails_to(inbox, named)) == len(named), within=60, what="every mail arrived")
    for email, mail in mails_to(inbox, named).items():
        head, _, _ = mail.partition(b"\r\n\r\n")
        lines = [line for line in head.decode("ascii").split("\r\n") if not line.startswith((" ", "\t"))]
        assert [line.partition(":")[0] for line in lines if not line.startswith("X-Singr-")] == list(HEADERS), email
        assert mail.count(b"\n") == mail.count(b"\r") == mail.count(b"\r\n")


def mails_to(inbox: Inbox, named: dict[str, str]) -> dict[str, bytes]:
    """The mails as they arrived, by recipient."""
    return {mail.envelope_to[0]: mail.raw for mail in inbox.mails if mail.envelope_to[0] in named}
