"""Sends stored messages: exactly as often as asked, as far as providers allow."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_comms._errors import (
    AccountRefusedError,
    InvalidMessageError,
    PermanentSendError,
    SendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.channels._channel import Provider, SendReceipt
from singr_comms.notifications._refusals import Refusals
from singr_comms.notifications._rows import life_of, misfit_here, open_message
from singr_comms.notifications._unsubscribing import UnsubscribeLinks
from singr_comms.notifications.branding._category_names import CategoryNames
from singr_comms.notifications.branding._worn import Brands, NoBrands, Outfit
from singr_comms.notifications.channels import WORK, rates_of
from singr_comms.notifications.sending._guards import SmsGuards
from singr_comms.notifications.sending._health import NEXT_LOOK, ProviderHealth
from singr_comms.notifications.sending._holds import Holds
from singr_comms.notifications.sending._ledger import Ledger
from singr_comms.notifications.sending._line_ups import REFUSED, LineUps, Wait, from_first_open, shut
from singr_comms.notifications.sending._ordinary import PATIENCE
from singr_comms.notifications.sending._pace import Pace, paced
from singr_comms.notifications.sending._policy import after, came_of, counted_as, ever_later, passes, waits_for_itself
from singr_comms.notifications.sending._quotas import Quotas
from singr_comms.notifications.sending._settling import Settler
from singr_comms.notifications.sending._suppressions import HELD_BACK, Suppressions
from singr_comms.notifications.sending._try import (
    FLAGGED,
    PUT_OFF,
    UNMARKED,
    AlreadySent,
    Begun,
    Delivered,
    InDoubt,
    InFlight,
    LastLook,
    Marks,
    Opening,
    Outcome,
    Pinned,
    Refused,
    Try,
    Waiting,
    told,
)
from singr_comms.notifications.sending.endings._recorder import Recorder
from singr_config import LimitSettings
from singr_db import Database, Sealer, SealError, answered_within
from singr_jobs import PermanentError, RetryLater
from singr_observability import Metrics, client_span, get_logger

# Seconds after which no second provider is called in the same try: a job has time for two calls, and not for three.
_TIME_FOR_ANOTHER: Final = 8.0


class MessageSender:
    """Runs one try at a stored message: attempt row, provider call, outcome. No transaction is open during the call.

    A try that finds the message sent does nothing. One that finds an attempt without an outcome (a crash, a lost
    answer) sends again where that is harmless (codes, sign-in links and security notices, or a provider that takes
    idempotency keys). Anything else is `unknown` for ten minutes, in which the provider may tell by itself; then the
    provider is asked, where it can be: what it certainly has not got is sent again, and what cannot be found out stays
    `unknown` with the code `outcome_unknown`, for people to look at, and the log says so. The last attempt of its job
    ends no message in doubt that can be sent again or asked about: see `_policy.after`.

    A provider that refuses our account is held: its messages wait without an attempt being counted, one of them is
    tried now and then, and all are sent once the account is accepted. What waits too long ends: a code or link with its
    own life, anything else after a day.

    Limits count at a message's first attempt, and its first in each later hour, as `Quotas` says: by recipient and user
    and hour, and by organization and day. A message over a limit is `suppressed` and its job fails with `user_limit`,
    `recipient_limit` or `organization_limit`: whoever follows the job must learn that nothing was sent.
    Only a digest, and what was held or put off before, wait for the next hour or day instead.

    Args:
        db: the database.
        sealer: opens recipients and contents.
        limits: messages per user or recipient and hour, and per organization and day.
        metrics: counts and times sends.
        in_flight: seconds for which a call may be on its way after its attempt began; a second runner waits for so
            long before it takes the first one for dead. None: as long as the provider's calls may take.
        api_url: where readers unsubscribe from what organizations send (`APP_URL_API`); None: nowhere.
        last_look: asked once more, as each attempt begins; `singr_comms.people.PreferencesLook`, where people choose.
        brands: what organizations' messages wear; without it all come from the platform and look like it.
        providers: who sends, by channel: `email=…, sms=…`; each channel needs one. Of several, the first whose breaker
            is closed is called, and where it certainly did not take a message, the next one is, in the same try.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        *,
        limits: LimitSettings,
        metrics: Metrics,
        in_flight: float | None = None,
        api_url: str | None = None,
        last_look: LastLook | None = None,
        brands: Brands | None = None,
        **providers: Provider | Sequence[Provider],
    ) -> None:
        if providers.keys() != WORK.keys():
            raise TypeError(f"MessageSender needs a provider for each channel: {', '.join(sorted(WORK))}")
        line_ups = self._line_ups = LineUps(providers, in_flight=in_flight)
        quotas, out = Quotas(sealer, **rates_of(limits), guards=SmsGuards(sealer, limits)), line_ups.in_flight
        life, misfit = partial(life_of, sealer), partial(misfit_here, sealer)
        self._ledger = Ledger(
            db, quotas, Suppressions(sealer), in_flight=out, life=life, misfit=misfit, last_look=last_look
        )
        self._links = UnsubscribeLinks(sealer, api_url)
        self._settler, self._recorder = Settler(db, self._ledger), Recorder(self._ledger)
        self._sealer, self._brands = sealer, brands or NoBrands()
        longest = line_ups.longest_call
        self._holds = Holds(metrics, longest)
        self._health = ProviderHealth(db, metrics, line_ups.named, longest, rates=limits.providers)
        self._pace, self._names, self._refusals = Pace(db, limits.providers), CategoryNames(db), Refusals(db)
        self._metrics, self._log = metrics, get_logger("singr_comms.sender")

    async def send(
        self, channel: str, message_id: UUID, *, organization_id: UUID, is_last_attempt: bool, may_wait: bool = True
    ) -> Delivered:
        """Try to send one stored message.

        Args:
            channel: by which it travels, such as `email`.
            message_id: its row.
            organization_id: whose it is.
            is_last_attempt: no further try will come.
            may_wait: with its last attempt it does not fail for what passes; see `TransientError`. False where whoever
                asked for it is to be told after its attempts.

        Raises:
            PermanentError: it was not sent and will not be, or must not be sent again.
            RetryLater: try again, after the provider's wait if it named one.
        """
        line_up = self._line_ups[channel]
        outfit = Outfit(self._brands, organization_id, message_id)
        one = Try(message_id, organization_id, channel, line_up[0], is_last_attempt, outfit, may_wait=may_wait)
        open_ones, waits = await self._open_ones(one, line_up)
        if not open_ones:
            raise await self._held(one, *min(waits))
        try:
            return await self._try(msgspec.structs.replace(one.at(*open_ones), unanswered=bool(waits)))
        except PermanentError as error:
            if error.code == FLAGGED.code:
                self._log.error("message {} may have been sent, and is not tried again: {}", message_id, error.message)
            raise

    async def close(self) -> None:
        """Give up what providers keep open, such as connections to a mail server."""
        await self._line_ups.close()

    def _envelope(self, one: Try, opened: Begun | InDoubt) -> Any:
        """What goes to the provider, the same on every try; raises PermanentSendError where it cannot be opened."""
        kind = WORK[one.channel].channel
        try:
            sealed, key = (opened.recipient_sealed, opened.content_sealed), opened.key_wrapped
            to, message = open_message(self._sealer, kind, opened.kind, *sealed, key_wrapped=key)
            made = kind.enclose(to, message, opened.token, opened.locale, one.outfit.locale(opened.kind))
            made = one.outfit.dressed(made, opened.kind, one.channel)
            return self._links.enclosed(made, opened.kind, one.organization_id, opened.recipient, opened.recipient_id)
        except (SealError, msgspec.DecodeError) as error:
            raise PermanentSendError("unreadable", f"the stored message cannot be opened: {error}") from error
        except InvalidMessageError as error:
            raise PermanentSendError("invalid_message", str(error)) from error

    async def _open_ones(self, one: Try, line_up: Sequence[Provider]) -> tuple[Sequence[Provider], list[Wait]]:
        return await from_first_open(line_up, partial(self._door, one))

    async def _door(self, one: Try, provider: Provider) -> Wait | None:
        if refused := self._holds.wait(one.channel, provider.name, one.organization_id, one.message_id):
            return shut(provider.name, refused, refuses=True)
        if not (wait := await self._health.wait(one.channel, provider.name)):
            return None
        self._holds.untold(one.channel, provider.name, one.message_id)
        return shut(provider.name, wait, refuses=False)

    async def _try(self, one: Try) -> Delivered:
        opening = await self._open(one)
        if isinstance(opening, Pinned):
            named = one.at(self._line_ups.provider(one.channel, opening.provider))
            open_ones, waits = await self._open_ones(one, (named.provider,))
            if not open_ones:
                raise await self._held(named, *min(waits))
            return await self._try(named)
        if isinstance(opening, AlreadySent):
            return Delivered(one.message_id, opening.provider, opening.provider_message_id)
        if isinstance(opening, InFlight):
            raise RetryLater(opening.seconds, "in_flight", "another runner may be sending this message right now")
        if isinstance(opening, Refused):
            self._count(one, "suppressed" if opening.code in HELD_BACK else "refused")
            raise PermanentError(opening.code, opening.message)
        if isinstance(opening, Waiting):
            raise RetryLater(opening.seconds, opening.why.code, opening.why.message, counts=False)
        if isinstance(opening, InDoubt):
            return await self._settle(one, opening)
        try:
            receipt = await self._call(one, opening)
        except SendError as error:
            # What came of the attempt is written first: it is certain now, and in doubt after a crash.
            follows = await self._elsewhere(one, opening, error) or await self._unsent(one, opening, error)
            await self._health.note(one.channel, one.provider.name, error)
            if isinstance(follows, Try):
                return await self._try(follows)
            raise follows from error
        outcome = Outcome(
            attempt_status="sent",
            message_status="sent",
            provider=receipt.provider,
            provider_message_id=receipt.provider_message_id,
        )
        await self._recorder.record(one, opening, outcome)
        await self._names.keep(opening.kind)
        await self._health.passed(one.channel, one.provider.name)
        await self._answered(one, accepts_us=True)
        return Delivered(one.message_id, receipt.provider, receipt.provider_message_id)

    async def _open(self, one: Try) -> Opening:
        opening: Opening | None = None
        try:
            if wait := await self._pace.wait(one.channel, one.provider.name):
                raise await self._held(one, *paced(one.provider.name, wait))
            async with answered_within(PATIENCE, "PostgreSQL"):
                opening = await self._ledger.begin(
                    one.message_id,
                    organization_id=one.organization_id,
                    channel=one.channel,
                    provider=one.provider,
                    others=[each.name for each in self._line_ups[one.channel] if each is not one.provider],
                    is_last_attempt=one.is_last_attempt,
                    before=one.outfit.read,
                )
            return opening
        finally:
            if not isinstance(opening, Begun):
                self._holds.untold(one.channel, one.provider.name, one.message_id)
                await self._health.unused(one.channel, one.provider.name)

    async def _elsewhere(self, one: Try, begun: Begun, error: SendError) -> Try | None:
        """The same try at the next provider, where this one certainly did not take the message, for its own sake.

        That costs no attempt of the job's. A refused account is held as ever.
        """
        moves = isinstance(error, TransientError) and not (error.doubtful or error.about_recipient)
        if not moves or begun.pinned or time.monotonic() - one.began > _TIME_FOR_ANOTHER:
            return None
        open_ones, _ = await self._open_ones(one, one.others)
        if not open_ones:
            return None
        if isinstance(error, AccountRefusedError) and not error.only_some:
            self._holds.refused(one.channel, one.provider.name, one.message_id, error, one.organization_id)
            await self._refusals.refused(one.channel, one.provider.name, error)
        self._count(one, "moved")
        await self._stays_open(one, begun, error)
        unanswered = one.unanswered or passes(error, begun)
        return msgspec.structs.replace(one.at(*open_ones), unanswered=unanswered)

    async def _settle(self, one: Try, doubt: InDoubt) -> Delivered:
        try:
            envelope = self._envelope(one, doubt)
        except PermanentSendError as error:
            raise await self._settler.flagged(one.message_id, one.organization_id) from error
        receipt = await self._settler.settle(
            one.message_id,
            organization_id=one.organization_id,
            channel=one.channel,
            provider=one.provider,
            doubt=doubt,
            envelope=envelope,
        )
        self._count(one, "sent")
        return Delivered(one.message_id, receipt.provider, receipt.provider_message_id)

    async def _call(self, one: Try, begun: Begun) -> SendReceipt:
        """Call the provider; whatever it raises leaves as a SendError, but for the end of the process."""
        started = time.perf_counter()
        try:
            with client_span(f"send {one.channel}", provider=one.provider.name, attempt=begun.attempt):
                receipt = await one.provider.send(begun.in_time(self._envelope(one, begun)))
        except SendError:
            raise
        except InvalidMessageError as error:
            raise PermanentSendError("invalid_message", str(error)) from error
        except asyncio.CancelledError:
            # Cut short by its time limit or by a stop: the provider may have it, and the ledger must say so.
            await self._failed(one, begun, UnknownOutcomeError("interrupted", "the call was cut short"))
            raise
        except Exception as error:
            self._log.opt(exception=error).error("provider {} broke", one.provider.name)
            raise UnknownOutcomeError("internal", f"the provider's code failed: {type(error).__name__}") from error
        finally:
            elapsed = time.perf_counter() - started
            self._metrics.send_latency.labels(one.channel, one.provider.name).observe(elapsed)
        self._count(one, "sent")
        return receipt

    async def _unsent(self, one: Try, begun: Begun, error: SendError) -> PermanentError | RetryLater:
        """Record what the provider said in place of taking the message; returns what the job raises.

        What mostly passes soon counts as attempts while there are any; no message is lost to it.
        """
        channel, provider = one.channel, one.provider.name
        if isinstance(error, AccountRefusedError) and error.only_some:
            self._holds.untold(channel, provider, one.message_id)
            return await self._kept(one, begun, error, ever_later(error, begun), marks=PUT_OFF)
        if await self._health.is_to_blame(channel, provider, error, drops_copies=one.provider.takes_idempotency_key):
            self._holds.untold(channel, provider, one.message_id)
            wait = min(max(getattr(error, "retry_after", None) or 0.0, NEXT_LOOK), begun.remaining)
            return await self._put_off(one, begun, error, shut(provider, wait, refuses=False))
        held, refused = None, isinstance(error, AccountRefusedError) and not waits_for_itself(error, begun)
        if refused or (isinstance(error, TooManyRequestsError) and one.is_last_attempt):
            held = self._holds.refused(channel, provider, one.message_id, error, one.organization_id)
        elif getattr(error, "doubtful", False):
            whose, whom = one.organization_id, begun.recipient
            held = self._holds.doubted(channel, provider, one.message_id, error, organization_id=whose, recipient=whom)
        elif not isinstance(error, TooManyRequestsError):
            await self._answered(one, accepts_us=isinstance(error, PermanentSendError))
        if held is not None:
            return await self._kept(one, begun, error, held)
        # What was kept for a "later" that is its own after all was not tried for its own sake: no attempts are spent.
        spent = one.is_last_attempt or (isinstance(error, AccountRefusedError) and error.waits)
        if spent and one.may_wait and passes(error, begun, unanswered=one.unanswered):
            why = (ever_later(error, begun), error.message, error.code)
            return await self._put_off(one, begun, error, why, marks=PUT_OFF)
        return await self._failed(one, begun, error)

    async def _kept(
        self, one: Try, begun: Begun, error: SendError, wait: float, *, marks: Marks = UNMARKED
    ) -> PermanentError | RetryLater:
        """Keep the message until its provider takes any again, and tell; returns what the job raises."""
        self._count(one, "kept")
        await self._stays_open(one, begun, error, marks)
        await self._refusals.refused(one.channel, one.provider.name, error)
        return await self._held(one, wait, error.message)

    async def _put_off(
        self, one: Try, begun: Begun, error: SendError, why: Wait, *, marks: Marks = UNMARKED
    ) -> PermanentError | RetryLater:
        """Let a message wait as those do that were not tried, and pay no attempt."""
        self._count(one, counted_as(error))
        await self._stays_open(one, begun, error, marks)
        return await self._held(one, *why)

    async def _stays_open(self, one: Try, begun: Begun, error: SendError, marks: Marks = UNMARKED) -> None:
        came, said = came_of(error), told(error)
        stays: Literal["queued", "unknown"] = "unknown" if came == "unknown" else "queued"
        outcome = Outcome(
            attempt_status=came,
            message_status=stays,
            provider=one.provider.name,
            error={**said, **marks},
            message_error=said,
        )
        await self._recorder.record(one, begun, outcome)

    async def _held(self, one: Try, wait: float, reason: str, code: str = REFUSED) -> PermanentError | RetryLater:
        left = await self._ledger.hold(
            one.message_id, organization_id=one.organization_id, channel=one.channel, reason=reason
        )
        if isinstance(left, Refused):
            self._count(one, "failed")
            return PermanentError(left.code, left.message)
        return RetryLater(min(wait, left), code, f"it waits: {reason}", counts=False)

    async def _answered(self, one: Try, *, accepts_us: bool) -> None:
        if not accepts_us:
            self._holds.untold(one.channel, one.provider.name, one.message_id)
        elif self._holds.accepted(one.channel, one.provider.name):
            await self._refusals.accepted(one.channel, one.provider.name)

    async def _failed(self, one: Try, begun: Begun, error: SendError) -> PermanentError | RetryLater:
        """Record a failed attempt; returns what the job raises."""
        follows = after(error, begun, provider=one.provider, is_last_attempt=one.is_last_attempt)
        self._count(one, counted_as(error))
        outcome = Outcome(
            attempt_status=came_of(error),
            message_status=follows.status,
            provider=one.provider.name,
            error=told(error),
            message_error=told(follows.says) if follows.says else None,
            ends=follows.ends,
        )
        await self._recorder.record(one, begun, outcome)
        return follows.raises

    def _count(self, one: Try, outcome: str) -> None:
        self._metrics.sends_total.labels(one.channel, one.provider.name, outcome).inc()
