"""What operators have set for a queue, as taking from it sees it: in SQL, and as a process knows it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from singr_db import PsycopgPool, sql
from singr_jobs.declare._types import Queue, Rate

# A queue is taken from by rules while `job_gates.ruled` says so. Whoever changes them holds the gate's row: a statement
# that has the gate, and began when it had it, sees what was set last, and every ticket of those before it.
# Nothing of it waits for long for whoever has locked the table of settings: other queues have their turn.
TAKE_GATE: Final = sql("""
SELECT ruled, set_config('lock_timeout', '500ms', true) FROM job_gates WHERE name = %(queue)s FOR UPDATE SKIP LOCKED
""")

# The queue's own rule (`rule`, always a row), those of organizations in it (`own`), what lies on its tickets by
# organization (`in_hand`, where a limit may be near), and how many jobs may be taken in all (`budget`).
RULES: Final = """rule AS MATERIALIZED (
    SELECT max(concurrency) AS most, max(concurrency_per_organization) AS each, count(paused_at) > 0 AS paused
      FROM queue_settings WHERE queue = %(queue)s AND for_organization IS NULL
), own AS MATERIALIZED (
    SELECT for_organization AS organization_id, concurrency AS most, weight, paused_at IS NOT NULL AS paused
      FROM queue_settings WHERE queue = %(queue)s AND for_organization IS NOT NULL
), near AS MATERIALIZED (
    SELECT COALESCE(sum(cardinality(ids)), 0) + %(room)s
           > LEAST((SELECT most FROM rule), (SELECT each FROM rule), (SELECT min(most) FROM own)) AS is_near
      FROM job_tickets WHERE queue = %(queue)s
), in_hand AS MATERIALIZED (
    SELECT jobs.organization_id, count(*) AS jobs
      FROM job_tickets AS t CROSS JOIN LATERAL unnest(t.ids) AS held (id) JOIN jobs ON jobs.id = held.id
     WHERE (SELECT is_near FROM near) AND t.queue = %(queue)s AND jobs.status = 'pending'
     GROUP BY jobs.organization_id
), budget AS MATERIALIZED (
    SELECT CASE WHEN rule.paused THEN 0
                ELSE GREATEST(0, LEAST(%(room)s, rule.most - (SELECT COALESCE(sum(jobs), 0) FROM in_hand)))
           END AS room
      FROM rule
)"""

# The same where nothing is set: the table of settings is not named, so no statement waits for whoever has locked it.
NO_RULES: Final = """rule AS MATERIALIZED (
    SELECT NULL::int AS most, NULL::int AS each, false AS paused
), own AS MATERIALIZED (
    SELECT NULL::uuid AS organization_id, NULL::int AS most, 1 AS weight, false AS paused WHERE false
), in_hand AS MATERIALIZED (
    SELECT NULL::uuid AS organization_id, 0::bigint AS jobs WHERE false
), budget AS MATERIALIZED (
    SELECT %(room)s::int AS room
)"""

# What a process has to know of the rules of queues, and asks for once a second where there are any: by itself, since a
# statement waits for a lock on whatever it names, and this one is asked for with little patience.
_SHORTLY: Final = "SET LOCAL lock_timeout = '500ms'"
_KNOWN: Final = sql("""
SELECT json_agg(json_build_object('queue', queue, 'organization', for_organization,
                                  'paused', paused_at IS NOT NULL, 'count', rate_count, 'seconds', rate_seconds,
                                  'weight', weight, 'most', concurrency))::text
  FROM queue_settings WHERE queue = ANY (%(queues)s::text[])
""")


class OwnRules(msgspec.Struct, frozen=True):
    """What is set for one organization in a queue, as sharing the places of a process goes by it.

    Attributes:
        weight: how many turns it has where others have one.
        most: how many of its jobs may run at once, over all processes; None: any number.
    """

    weight: int = 1
    most: int | None = None


class _Known(msgspec.Struct):
    queue: str
    organization: UUID | None
    paused: bool
    count: int | None
    seconds: float | None
    weight: int | None
    most: int | None

    @property
    def rate(self) -> Rate | None:
        return None if self.count is None or self.seconds is None else Rate(self.count, self.seconds)


_DECODER: Final = msgspec.json.Decoder(list[_Known])


async def read_rules(pool: PsycopgPool, queues: Sequence[str]) -> str | None:
    """What is set for these queues, for `Rules.learn`.

    Raises:
        psycopg.errors.LockNotAvailable: somebody has the table for itself.
    """
    if not queues:
        return None
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_SHORTLY)
        [(text,)] = await (await connection.execute(_KNOWN, {"queues": list(queues)})).fetchall()
    return text if isinstance(text, str) else None


class Rules:
    """What a process knows of the rules of its queues: at most as old as its last look.

    Limits, weights and what is paused are kept to by the statement that takes, which reads them itself. How a process
    shares its places goes by weights and limits as it knows them.
    """

    def __init__(self) -> None:
        self._text: str | None = None
        self._ruled: set[str] = set()
        self._paused: set[str] = set()
        self._rates: dict[str, Rate] = {}
        self._rates_each: dict[str, dict[UUID, Rate]] = {}
        self._own: dict[str, dict[UUID, OwnRules]] = {}

    def learn(self, text: str | None) -> bool:
        """Take in what `read_rules` answers; answers whether it is new."""
        if text == self._text:
            return False
        known = [] if text is None else _DECODER.decode(text)
        self._text = text
        self._ruled = {one.queue for one in known}
        whole = [one for one in known if one.organization is None]
        self._paused = {one.queue for one in whole if one.paused}
        self._rates = {one.queue: one.rate for one in whole if one.rate is not None}
        self._rates_each, self._own = {}, {}
        for one in known:
            if one.organization is not None and (one.weight is not None or one.most is not None):
                rules = OwnRules(one.weight or 1, one.most)
                self._own.setdefault(one.queue, {})[one.organization] = rules
            if one.organization is not None and one.rate is not None:
                self._rates_each.setdefault(one.queue, {})[one.organization] = one.rate
        return True

    def has(self, queue: Queue) -> bool:
        """Whether the queue has any."""
        return queue.value in self._ruled

    def heard(self, queue: Queue, *, ruled: bool) -> None:
        """Whether it has any, as a statement saw it."""
        (self._ruled.add if ruled else self._ruled.discard)(queue.value)

    def is_paused(self, queue: Queue) -> bool:
        """Whether nothing is taken from it."""
        return queue.value in self._paused

    def rate(self, queue: Queue, otherwise: Rate | None) -> Rate | None:
        """How fast its jobs may start; `otherwise` where nobody has set it."""
        return self._rates.get(queue.value, otherwise)

    def rates_each(self, queue: Queue) -> dict[UUID, Rate]:
        """How fast those of organizations may start that have a rate of their own in it."""
        return self._rates_each.get(queue.value, {})

    def own(self, queue: Queue) -> dict[UUID, OwnRules]:
        """What is set for organizations in it that have a weight or a limit of their own."""
        return self._own.get(queue.value, {})
