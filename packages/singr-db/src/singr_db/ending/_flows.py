"""What becomes of a flow as its members end, or are to run again: the functions of the table's own do it.

They lock the flows of a statement in id order before anything else of theirs, and no job's row after that; so whoever
ends members, adds some, cancels or requeues them does so one after the other, and nobody waits crosswise.
"""

from typing import Final

from singr_db.ending._job_ends import HAS_ENDED, FollowUp

WOKEN: Final = "ARRAY(SELECT queue FROM promoted)"
"""In the answer of a statement that ends jobs: the queues in which others came to be due."""

COUNT_MEMBERS: Final = FollowUp(
    "promoted",
    f"""
    SELECT queue FROM (
        SELECT array_agg(id) AS ids, array_agg(flow_id) AS flows, array_agg(status) AS statuses
          FROM changed WHERE flow_id IS NOT NULL AND {HAS_ENDED} HAVING count(*) > 0
    ) AS ended, end_members(ended.ids, ended.flows, ended.statuses, now()) AS queue""",  # noqa: S608 - a constant
    is_called=True,
)
"""Members are counted, and those that waited for them alone go on."""

REQUEUE_MEMBERS: Final = FollowUp(
    "members_again",
    """
    SELECT queue FROM (
        SELECT array_agg(id) AS ids, array_agg(flow_id) AS flows FROM changed WHERE flow_id IS NOT NULL
        HAVING count(*) > 0
    ) AS given_back, requeue_members(given_back.ids, given_back.flows, now()) AS queue""",
    is_called=True,
)
"""Members that had failed are to run again: they get their places here, behind those that run again before them."""

SETTLE_MEMBERS: Final = FollowUp(
    "members_settled",
    """
    SELECT queue FROM (
        SELECT array_agg(j.id) AS ids, array_agg(j.flow_id) AS flows, array_agg(settled.state) AS states
          FROM settled JOIN jobs AS j ON j.id = settled.job_id
         WHERE j.id = ANY (ARRAY(SELECT job_id FROM settled)) AND j.flow_id IS NOT NULL HAVING count(*) > 0
    ) AS letters, settle_members(letters.ids, letters.flows, letters.states, now()) AS queue""",
    is_called=True,
)
"""Dead letters of members are settled: a flow that stands because of them goes on, or what is left is cancelled."""
