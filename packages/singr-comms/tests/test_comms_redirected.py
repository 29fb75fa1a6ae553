"""While developing, all e-mail may go to one address: it says whom it is meant for, and is the same mail otherwise."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from singr_comms import EmailEnvelope, InvalidMessageError, SongRequest, email_provider
from singr_comms.channels._channel import Closes, LooksUp
from singr_comms.notifications.sending._suppressions import suppress_by_reader
from singr_comms.providers._redirected import redirected
from singr_config import load_settings
from singr_dev.inbox import Inbox
from singr_dev.simulators import MailjetSimulator, ResendSimulator, Simulator
from singr_jobs import PermanentError

ME = "me@example.net"
UNSUBSCRIBE = "https://api.singr.example/v1/unsubscribe/token"


def provider(environ: dict[str, str], http: httpx.AsyncClient, **more: str) -> Any:
    settings = load_settings({"APP_ENV": "development"} | environ | more, env_file=None)
    return email_provider(settings.email, settings.app, http)


def written(simulator: Simulator) -> tuple[list[str], str, dict[str, str]]:
    """To whom it goes, its subject and its headers, as either of them took it."""
    [one] = simulator.received
    sent = one.message
    if "To" in sent:
        return [to["Email"] for to in sent["To"]], sent["Subject"], sent["Headers"]
    return sent["to"], sent["subject"], sent["headers"]


@pytest.mark.parametrize("kind", [MailjetSimulator, ResendSimulator])
async def test_mail_goes_to_the_one_address_and_names_the_other_in_subject_and_header(
    running: Callable[[type[Simulator]], Simulator],
    http: httpx.AsyncClient,
    song_email: Callable[..., EmailEnvelope],
    kind: type[Simulator],
) -> None:
    simulator = running(kind)
    envelope = song_email()
    sender = provider(simulator.environ, http, EMAIL_REDIRECT_TO=ME)
    assert isinstance(sender, LooksUp), "what was perhaps sent is still asked about"
    await sender.send(envelope)
    to, subject, headers = written(simulator)
    assert to in ([ME], [f'"Jane Ünal" <{ME}>'])
    assert subject.startswith("[to jane@example.org] New request at Café Müller")
    assert headers == {"X-Singr-Meant-For": "jane@example.org"}


async def test_mail_by_smtp_goes_to_the_one_address_and_can_still_be_unsubscribed_from(
    inbox: Inbox, http: httpx.AsyncClient, song_email: Callable[..., EmailEnvelope]
) -> None:

    sender = provider(inbox.environ, http, EMAIL_REDIRECT_TO=ME)
    await sender.send(replace(song_email(), unsubscribe=UNSUBSCRIBE))
    assert isinstance(sender, Closes)
    await sender.close()
    [mail] = inbox.mails
    assert mail.envelope_to == (ME,)
    assert mail.subject.startswith("[to jane@example.org] ")
    assert mail.message["X-Singr-Meant-For"] == "jane@example.org"
    assert mail.message["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"


async def test_address_that_no_mail_may_have_is_refused_before_it_is_turned_away(
    running: Callable[[type[Simulator]], Simulator], http: httpx.AsyncClient, song_email: Callable[..., EmailEnvelope]
) -> None:

    simulator = running(ResendSimulator)
    envelope = song_email()
    for wrong in ("=?utf-8?q?x?=@example.org", "jane@example.org\r\nBcc: joe@example.org"):
        forged = replace(envelope, to=replace(envelope.to, email=wrong))
        with pytest.raises(InvalidMessageError):
            await provider(simulator.environ, http, EMAIL_REDIRECT_TO=ME).send(forged)
    assert simulator.received == []


async def test_ledger_and_suppression_keep_the_true_address(bench: Any) -> None:
    inner = bench.email
    bench.email = redirected(inner, ME)
    song = SongRequest(venue_name="Café", artist="Ada", title="Song", link="https://singr.example/r")
    sent = await bench.queue(song)
    await bench.send(sent)
    assert [one.to.email for one in inner.sent] == [ME]
    row = await bench.row(sent)
    assert (row.status, row.recipient_masked) == ("sent", "j***@example.org")
    async with bench.db.platform() as session:
        await suppress_by_reader(session, organization_id=bench.organization, recipient_hash=row.recipient_hash)
    again = await bench.queue(song)
    with pytest.raises(PermanentError):
        await bench.send(again)
    assert len(inner.sent) == 1


def test_nothing_is_turned_where_no_address_is_set(http: httpx.AsyncClient, inbox: Inbox) -> None:
    plain = provider(inbox.environ, http)
    assert redirected(plain, "") is plain
    assert type(plain).__name__ == "SmtpProvider"
