"""What the routes work with: built once per process, opened and closed with it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import Final

import httpx

from singr_api.admission.auth import Authenticator
from singr_api.admission.browser import Browsers
from singr_api.admission.csrf import CsrfGuard
from singr_api.admission.gate import Guards
from singr_api.admission.idempotency import Idempotency, IdempotencyStatistics
from singr_api.admission.limits import PATIENCE_SECONDS, Limits
from singr_api.admission.people import People
from singr_api.http.address import address_reader, scheme_reader
from singr_api.http.leaving import heard_leaving
from singr_api.http.one_look import OneLook
from singr_api.operations.health.probes import Probes
from singr_api.wiring.directory import AccountDirectory
from singr_api.wiring.organizations import Organizations
from singr_api.work.jobs.submit import JobSubmitter
from singr_auth.accounts import KNOWN_DEVICE_SECONDS, Accounts, AccountSettings, ServiceCredentials
from singr_auth.accounts.organizations import OrganizationCredentials
from singr_comms import Links, SiteUrls, phone_verifier
from singr_comms.inbound import Doors
from singr_comms.notifications import (
    Brands,
    Deliveries,
    Explainer,
    MessageIntake,
    SendEmail,
    WebhookIntake,
    explainer,
    webhooks,
)
from singr_comms.people.inbox import InboxNews, LiveInboxes
from singr_config import Settings
from singr_config.constants import RATE_LIMITS
from singr_db import Sealer, SharedObjectStore, head_revision
from singr_db.limits import LeasedLimiter, RateLimiter
from singr_db.redis import redis_client
from singr_jobs import FlowRequests, Ingestion, Waker
from singr_observability import Metrics, run_in_thread, trace_headers
from singr_platform import CommsNotifier, Parts, RecipientsFollow, all_jobs, request_intakes, schedule_requests

# Beside a VACUUM FULL or ALTER TABLE of somebody's, callers are told to come again.
_LOCK_TIMEOUT_S: Final = 5.0
# Beside a server that answers nobody, and hangs up on nobody: see SignsOfLife.
_PATIENCE_S: Final = 5.0


class Services:
    """The parts, wired together. Building it connects to nothing."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.metrics, self._settings = metrics, settings
        self.metrics_text = OneLook(partial(run_in_thread, metrics.render_text))
        self.address = settings.app.url_api
        self.sites: SiteUrls = settings.app
        self.brand = settings.brand
        self._parts = parts = Parts(settings, name="singr-api", lock_timeout=_LOCK_TIMEOUT_S, patience=_PATIENCE_S)
        self.db, sealer = parts.db, parts.sealer
        self._probe_redis = redis_client(settings.redis)
        self._waker = Waker(parts.carrier())
        self._waker.attach(self.db.session_info)
        intakes = request_intakes(settings, sealer)
        self.message_intake: MessageIntake = intakes[SendEmail]  # the one of all channels
        self._ingestion = Ingestion(self.db.psycopg, self._waker, intakes=intakes)
        self.flow_requests = FlowRequests(intakes, most_open=settings.limits.open_flows)
        self.export_limits = settings.limits
        self.service_credentials = ServiceCredentials(self.db, sealer, settings.ingestion)
        statistics = IdempotencyStatistics(metrics)
        self.submitter = JobSubmitter(
            all_jobs(), self._ingestion, organizations=Organizations(self.db), metrics=metrics, statistics=statistics
        )
        self.schedule_requests = schedule_requests(settings, all_jobs(), sealer)
        self.idempotency = Idempotency(self.db, statistics, sealer)
        self.deliveries = Deliveries(sealer)
        self.webhooks = WebhookIntake(self.db, sealer, metrics)
        self.callbacks = webhooks(settings, db=self.db, sealer=sealer, metrics=metrics, http=parts.http)
        self.probes = Probes(
            self.db,
            self._probe_redis if settings.redis.configured else None,
            revision=head_revision(),
            rabbit=self._waker if settings.rabbitmq.configured else None,
        )
        self.accounts = self._build_accounts(settings, metrics)
        self.keys = self.accounts.keys
        self.credentials = OrganizationCredentials(self.service_credentials, self.accounts.notifier)
        self.guards = self._build_guards(settings, metrics)

    @cached_property
    def live_inboxes(self) -> LiveInboxes:
        """The inboxes that are on screens of this process's callers; what sessions here change in any is told."""
        news = InboxNews(self._parts.redis)
        news.attach(self.db.session_info)
        return LiveInboxes(self.db, news)

    @cached_property
    def explainer(self) -> Explainer:
        """Says why a message would not be sent."""
        return explainer(self._settings, db=self.db, sealer=self.sealer)

    @property
    def directory(self) -> AccountDirectory:
        """Knows who the members of an organization are."""
        return AccountDirectory()

    @property
    def http(self) -> httpx.AsyncClient:
        """The network."""
        return self._parts.http

    @cached_property
    def objects(self) -> SharedObjectStore:
        """The object store."""
        return SharedObjectStore(self._settings.object_store)

    @cached_property
    def brands(self) -> Brands:
        """Knows what organizations' messages wear."""
        return Brands(self.db, brand=self.brand, api_url=self.address, own_names=self.own_names)

    @property
    def own_names(self) -> tuple[str, ...]:
        """What the platform itself writes as, which no organization may go by."""
        return self._settings.own_names

    @property
    def has_objects(self) -> bool:
        """Whether there is an object store."""
        return self.objects.configured

    @property
    def allow_test(self) -> bool:
        """Whether addresses are taken that are kept for tests."""
        return not self._settings.app.env.is_production

    @property
    def sealer(self) -> Sealer:
        """Finds by an address what is kept under its fingerprint."""
        return self._parts.sealer

    def _build_accounts(self, settings: Settings, metrics: Metrics) -> Accounts:
        return Accounts(
            self.db,
            self.sealer,
            RateLimiter(self._parts.redis, patience=PATIENCE_SECONDS),
            self._notifier(settings),
            settings=AccountSettings(settings.app, settings.jwt, settings.auth, settings.limits, settings.own_names),
            metrics=metrics,
            phone_verifier=phone_verifier(settings.sms, settings.app, self._parts.http, trace_headers=trace_headers),
            tidying=all_jobs().tidying(),
            follower=RecipientsFollow(self.sealer),
        )

    def _notifier(self, settings: Settings) -> CommsNotifier:
        return CommsNotifier(self.sealer, Links(settings.app), own_names=settings.own_names, allow_test=self.allow_test)

    def _build_guards(self, settings: Settings, metrics: Metrics) -> Guards:
        csrf = CsrfGuard(self._parts.sealer, (settings.app.url_api, *settings.app.cors_origins))
        self.browsers = Browsers(
            address=address_reader(settings.app.trusted_proxies),
            scheme=scheme_reader(settings.app.trusted_proxies),
            csrf=csrf,
            device_ttl=KNOWN_DEVICE_SECONDS,
        )
        self.limits = Limits(
            LeasedLimiter(RateLimiter(self._parts.redis, patience=PATIENCE_SECONDS)),
            requests_per_minute=settings.limits.requests_per_minute,
            rates=None if settings.limits.rates == RATE_LIMITS else settings.limits.rates,
        )
        people = People(self.accounts, csrf, metrics)
        return Guards(
            authenticator=Authenticator(self.service_credentials, metrics, people),
            people=people,
            browsers=self.browsers,
            limits=self.limits,
            accounts=self.accounts,
            doors=Doors(settings),
            metrics=metrics,
            db=self.db,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open everything; close it again in the other order. Neither store has to be there at the start."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._probe_redis.aclose)
            stack.callback(self.accounts.close)
            stack.push_async_callback(self.objects.close)
            await stack.enter_async_context(self._parts.running())
            stack.push_async_callback(self.probes.close)
            stack.push_async_callback(self.service_credentials.close)
            stack.push_async_callback(self._waker.close)
            stack.push_async_callback(self._ingestion.close)
            stack.push_async_callback(self.webhooks.close)
            stack.push_async_callback(self.live_inboxes.news.close)
            stack.enter_context(heard_leaving())
            await stack.enter_async_context(self.live_inboxes.running())
            yield
