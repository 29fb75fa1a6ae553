"""It is a member of a flow, and waits for others."""

from typing import Final

from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 35


async def why(case: Case) -> Because | None:
    """For how many, and for whom."""
    if case.job.flow_id is None:
        return None
    row = await case.places.members(case.id)
    if row is None:
        return None
    flow = f"flow {row.name!r} ({case.job.flow_id})"
    if row.state == "failed":
        words = f"Waits in the {flow}, stopped because a member failed: requeue or discard it, or cancel the flow."
        return Because(state="waiting", reason="flow_failed", in_words=words)
    if row.is_completion and not row.is_closed:
        words = (
            f"Runs at the end of the {flow}, which stands open since {told(row.created_at)}, with {row.others} others"
            " that have not ended: close it when no more members are to come."
        )
        return Because(state="waiting", reason="flow_open", in_words=words)
    if row.is_completion:
        words = f"Runs at the end of the {flow}, of which {row.others} others have not ended."
        return Because(state="waiting", reason="flow_members", in_words=words)
    who = ", ".join(map(str, row.named)) + (", …" if row.waits_for > len(row.named) else "")
    words = f"Waits for {row.waits_for} other members of the {flow} to end: {who}."
    if not row.named:
        words = (
            f"Waits for members of the {flow} that have ended: a worker of an older release ended them, and it goes on"
            " within a minute or so."
        )
    return Because(state="waiting", reason="flow_members", in_words=words)
