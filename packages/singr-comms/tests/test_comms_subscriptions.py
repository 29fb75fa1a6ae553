"""R19: Stripe's events are hints; whatever their order, a subscription ends as Stripe has it."""

import itertools
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import stripe as official
from comms_callbacks import settings, stripe
from comms_queueing import ORGANIZATION, SEALER
from comms_told import DOORS, Desk
from loguru import logger
from msgspec.structs import replace
from sqlalchemy import text

from singr_comms.inbound import ObjectNews
from singr_comms.notifications import StripeSubscriptions, Webhooks, read_subscription_of
from singr_comms.notifications.callbacks._subscriptions import keep_subscription
from singr_config import Secret
from singr_db import PLATFORM_ORGANIZATION_ID, Database
from singr_db.tables import Organization
from singr_dev.simulators import StripeSimulator, TwilioSimulator
from singr_jobs import RetryLater

OURS = {"organization_id": str(ORGANIZATION)}
NOW = int(time.time())


class Billing:
    """What applies Stripe's events, and Stripe."""

    def __init__(self, db: Database, http: httpx.AsyncClient, simulator: StripeSimulator) -> None:
        self.desk, self.stripe, self._http = Desk(db), simulator, http
        self.ask()

    def ask(self, **changes: str) -> None:
        """Let Stripe be asked, as these settings have it."""
        given = settings(**(self.stripe.environ | changes)).stripe
        self._let(StripeSubscriptions(self.desk.db, given, self._http))

    def believe_events(self) -> None:
        """Have no key."""
        given = replace(settings().stripe, base_url=self.stripe.base_url, secret_key=Secret(""))
        self._let(StripeSubscriptions(self.desk.db, given, self._http))

    def _let(self, subscriptions: StripeSubscriptions) -> None:
        desk = self.desk
        self.subscriptions = subscriptions
        desk.webhooks = Webhooks(desk.db, SEALER, DOORS, desk.metrics, subscriptions=subscriptions)

    async def tell(self, key: str, event: str, shown: dict[str, Any], *, created: int = NOW) -> dict[str, int]:
        """Let an event in, and apply it."""
        body = {"id": key, "object": "event", "type": event, "created": created, "data": {"object": shown}}
        return await self.desk.tell("stripe", stripe(body, at=time.time()))

    async def status(self) -> tuple[str, ...]:
        rows = await self.desk.sql("SELECT status FROM subscriptions ORDER BY subscription")
        return tuple(status for [status] in rows)

    async def outcome(self) -> dict[str, Any]:
        """The first effect of the callback that came last."""
        [[effect]] = await self.desk.sql(
            "SELECT outcome -> 'effects' -> 0 FROM webhooks_received ORDER BY id DESC LIMIT 1"
        )
        return dict(effect)


@pytest.fixture
async def billing(db: Database, http: httpx.AsyncClient, running: Callable[..., Any]) -> Billing:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    return Billing(db, http, running(StripeSimulator))


def hint(subscription: str = "sub_1", **changes: Any) -> ObjectNews:
    news = ObjectNews(key="evt_1", event="customer.subscription.updated", object="subscription", object_id=subscription)
    return replace(news, **changes)


@pytest.mark.parametrize("known_by", ["asking", "events"])
async def test_events_shuffled_and_doubled_end_as_stripe_has_it(billing: Billing, known_by: str) -> None:
    if known_by == "events":
        billing.believe_events()
    for number, order in enumerate(itertools.permutations(range(4))):
        name = f"sub_{number:02}"
        story = [billing.stripe.subscribe(name, metadata=OURS, status="incomplete")]
        story += [billing.stripe.change(name, status=word) for word in ("active", "past_due", "canceled")]
        words = ("created", "updated", "updated", "deleted")
        # The last two within one second, as far as Stripe tells.
        times = (NOW, NOW + 1, NOW + 2, NOW + 2)
        for step in order:
            event = f"customer.subscription.{words[step]}"
            come = [await billing.tell(f"evt_{name}_{step}", event, story[step], created=times[step]) for _ in range(2)]
            assert come[0] in ({"applied": 1}, {"noted": 1})
            assert come[1] == {}, "a copy has no effect"
    assert await billing.status() == ("canceled",) * 24
    [[fetched, from_events]] = await billing.desk.sql(
        "SELECT count(fetched_at), count(event_created) FROM subscriptions"
    )
    assert (fetched, from_events) == (24 if known_by == "asking" else 0, 24)


async def test_one_event_ten_times_asks_stripe_once(billing: Billing) -> None:
    shown = billing.stripe.subscribe("sub_1", metadata=OURS)
    told = [await billing.tell("evt_1", "customer.subscription.created", shown) for _ in range(10)]
    assert told == [{"applied": 1}] + [{}] * 9
    assert billing.stripe.requests == 1


async def test_fetch_that_began_last_wins_over_one_that_ends_last(billing: Billing) -> None:
    billing.stripe.subscribe("sub_1", metadata=OURS, status="active")
    slow = await billing.subscriptions.look(hint())
    billing.stripe.change("sub_1", status="canceled")
    quick = await billing.subscriptions.look(hint())
    async with billing.desk.db.platform() as session:
        outcomes = [(await keep_subscription(session, one)).outcome for one in (quick, slow)]
    assert outcomes == ["applied", "noted"]
    assert await billing.status() == ("canceled",)


async def test_plan_price_and_period_are_kept_and_read_by_their_organization(billing: Billing) -> None:
    """Also from an invoice, which names the subscription alone; and of a version whose periods are at the top."""
    billing.stripe.subscribe("sub_old", metadata=OURS, status="canceled")
    made = billing.stripe.subscribe("sub_1", customer="cus_7", customer_metadata=OURS, cancel_at_period_end=True)
    invoice = {"object": "invoice", "parent": {"subscription_details": {"subscription": "sub_1"}}}
    assert await billing.tell("evt_1", "invoice.paid", invoice) == {"applied": 1}
    assert await billing.tell("evt_2", "invoice.paid", {"object": "invoice", "subscription": "sub_old"}) == {
        "applied": 1
    }
    async with billing.desk.db.tenant(ORGANIZATION) as session:
        found = await read_subscription_of(session)
    assert found is not None
    assert (found.subscription, found.customer, found.plan, found.price) == ("sub_1", "cus_7", "pro", "price_1")
    assert found.ends_with_period
    [item] = made["items"]["data"]
    assert found.period_end is not None
    assert int(found.period_end.timestamp()) == item["current_period_end"]
    billing.stripe.change("sub_1", items={"data": [{"price": {"id": "p"}}]}, current_period_end=NOW + 60)
    await billing.tell("evt_3", "invoice.paid", invoice)
    async with billing.desk.db.tenant(ORGANIZATION) as session:
        found = await read_subscription_of(session)
    assert found is not None
    assert found.period_end is not None
    assert (int(found.period_end.timestamp()), found.plan) == (NOW + 60, None)
    async with billing.desk.db.tenant(UUID(int=9)) as session:
        assert await read_subscription_of(session) is None


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({}, "neither sub_1 nor its customer"),
        ({"organization_id": "blue note"}, "neither sub_1 nor its customer"),
        ({"organization_id": str(UUID(int=5))}, "names no organization that is here"),
    ],
)
async def test_subscription_of_nobody_known_is_kept_without_effect_and_says_so(
    billing: Billing, metadata: dict[str, str], word: str
) -> None:
    shown = billing.stripe.subscribe("sub_1", metadata=metadata)
    assert await billing.tell("evt_1", "customer.subscription.created", shown) == {"ignored": 1}
    assert word in (await billing.outcome())["reason"]
    assert await billing.status() == ()
    # Once it is mended at Stripe, the next event finds its organization, and a later one that lost it keeps it.
    for number, held in enumerate((OURS, {}), 2):
        shown = billing.stripe.change("sub_1", metadata=held)
        assert await billing.tell(f"evt_{number}", "customer.subscription.updated", shown) == {"applied": 1}
    async with billing.desk.db.platform() as session:
        await session.execute(text("DELETE FROM organizations WHERE id = :id"), {"id": ORGANIZATION})
    assert await billing.status() == (), "it goes with its organization"


@pytest.mark.parametrize(
    ("metadata", "of_customer", "word"),
    [
        (str(ORGANIZATION), str(UUID(int=5)), "one of them is wrong"),
        (str(UUID(int=5)), str(ORGANIZATION), "one of them is wrong"),
        (str(PLATFORM_ORGANIZATION_ID), str(PLATFORM_ORGANIZATION_ID), "the platform's own"),
        (str(PLATFORM_ORGANIZATION_ID), "", "the platform's own"),
        ("", str(PLATFORM_ORGANIZATION_ID), "the platform's own"),
    ],
)
async def test_subscription_that_contradicts_its_customer_or_names_the_platform_is_not_applied(
    billing: Billing, metadata: str, of_customer: str, word: str
) -> None:
    async with billing.desk.db.platform() as session:
        for number, key in enumerate((UUID(int=5), PLATFORM_ORGANIZATION_ID)):
            await session.execute(
                text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', :slug) ON CONFLICT DO NOTHING"),
                {"id": key, "slug": f"other-{number}"},
            )
    claims = {"metadata": {"organization_id": metadata}, "customer_metadata": {"organization_id": of_customer}}
    shown = billing.stripe.subscribe("sub_1", **claims)
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    try:
        assert await billing.tell("evt_1", "customer.subscription.created", shown) == {"ignored": 1}
    finally:
        logger.remove(sink)
    assert word in (await billing.outcome())["reason"]
    assert word in "".join(lines)
    assert await billing.status() == ()
    # One that was ours already stays as it was, and is ours again once Stripe's two agree.
    billing.stripe.subscribe("sub_1", metadata=OURS, customer_metadata=OURS)
    assert await billing.tell("evt_2", "customer.subscription.updated", shown) == {"applied": 1}
    billing.stripe.subscribe("sub_1", **claims, status="canceled")
    assert await billing.tell("evt_3", "customer.subscription.updated", shown) == {"ignored": 1}
    assert await billing.status() == ("active",)


async def test_404_of_what_is_not_stripe_is_an_outage(
    billing: Billing, http: httpx.AsyncClient, running: Callable[..., Any]
) -> None:
    billing.stripe.subscribe("sub_1", metadata=OURS)
    billing.stripe.fail_next(404)
    with pytest.raises(RetryLater):
        await billing.subscriptions.look(hint())
    for elsewhere in (f"{running(TwilioSimulator).base_url}", f"{billing.stripe.base_url}/wrong"):
        billing.ask(STRIPE_BASE_URL=elsewhere)
        with pytest.raises(RetryLater) as caught:
            await billing.subscriptions.look(hint())
        assert (caught.value.code, caught.value.counts) == ("stripe_http_404", False)


async def test_stripe_that_cannot_be_asked_costs_no_attempt_and_changes_nothing(billing: Billing) -> None:
    billing.stripe.subscribe("sub_1", metadata=OURS)
    billing.stripe.fail_next(500)
    billing.stripe.fail_next(429, retry_after=400)
    waits = []
    for _ in range(2):
        with pytest.raises(RetryLater) as caught:
            await billing.subscriptions.look(hint())
        assert not caught.value.counts
        waits.append(caught.value.after)
    assert waits == [60.0, 400.0]
    gone = await billing.subscriptions.look(hint("sub_other"))
    assert (gone.state, "no such subscription" in (gone.reason or "")) == (None, True)
    billing.ask(STRIPE_SECRET_KEY="sk_test_of_another_account")
    with pytest.raises(RetryLater) as caught:
        await billing.tell("evt_1", "invoice.paid", {"object": "invoice", "subscription": "sub_1"})
    assert (caught.value.code, caught.value.counts) == ("stripe_http_401", False)
    [[webhook_id]] = await billing.desk.sql("SELECT id FROM webhooks_received")
    shown = await billing.desk.webhooks.rehearse(webhook_id)
    assert shown is not None
    assert [one.outcome for one in shown] == ["waiting"]
    assert await billing.status() == ()
    billing.ask()
    shown = await billing.desk.webhooks.rehearse(webhook_id)
    assert shown is not None
    assert [(one.outcome, one.after) for one in shown] == [("applied", "active")]
    assert await billing.status() == (), "a rehearsal keeps nothing"
    assert await billing.desk.webhooks.process(webhook_id, is_last_attempt=True) == {"applied": 1}


async def test_without_a_key_an_event_that_does_not_show_it_changes_nothing(billing: Billing) -> None:
    billing.believe_events()
    shown = billing.stripe.subscribe("sub_1", metadata=OURS)
    assert await billing.tell("evt_1", "invoice.paid", {"object": "invoice", "subscription": "sub_1"}) == {"ignored": 1}
    assert "STRIPE_SECRET_KEY" in (await billing.outcome())["reason"]
    assert (await billing.subscriptions.look(hint(shown=shown))).reason is not None, "no time"
    assert (await billing.subscriptions.look(hint(shown={"object": "subscription"}))).state is None
    assert billing.stripe.requests == 0


async def test_stripes_library_drives_the_simulator(running: Callable[..., Any], http: httpx.AsyncClient) -> None:
    simulator: StripeSimulator = running(StripeSimulator)
    simulator.subscribe("sub_1", customer="cus_7", metadata=OURS, customer_metadata={"a": "b"})

    kept = official.HTTPXClient()

    def client(key: str) -> official.StripeClient:
        return official.StripeClient(
            key, base_addresses={"api": simulator.base_url}, http_client=kept, max_network_retries=0
        )

    ours = client(simulator.secret_key).v1.subscriptions
    read = await ours.retrieve_async("sub_1", {"expand": ["customer"]})
    assert (read.status, read.metadata["organization_id"]) == ("active", str(ORGANIZATION))
    assert isinstance(read.customer, official.Customer)
    assert (await ours.retrieve_async("sub_1")).customer == "cus_7"
    with pytest.raises(official.InvalidRequestError) as caught:
        await ours.retrieve_async("sub_2")
    assert (caught.value.code, caught.value.http_status) == ("resource_missing", 404)
    with pytest.raises(official.InvalidRequestError):
        await ours.retrieve_async("sub_1", {"expand": ["nothing"]})
    with pytest.raises(official.AuthenticationError):
        await client("sk_test_wrong").v1.subscriptions.retrieve_async("sub_1")
    simulator.fail_next(429)
    with pytest.raises(official.RateLimitError):
        await ours.retrieve_async("sub_1")
    await kept.close_async()
    kept.close()
    with pytest.raises(ValueError, match="never changes: id"):
        simulator.change("sub_1", id="sub_2")
    for path, headers, status in (
        ("/v1/subscriptions/sub_1", {}, 401),
        ("/v1/subscriptions/sub_1?limit=1", {"authorization": f"Bearer {simulator.secret_key}"}, 400),
        ("/v1/nothing", {"authorization": f"Bearer {simulator.secret_key}"}, 404),
    ):
        assert (await http.get(simulator.base_url + path, headers=headers)).status_code == status
