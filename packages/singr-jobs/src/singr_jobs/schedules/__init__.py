"""Work at its times: by cron expression with a time zone, by interval, or once; each time becomes one job.

`await schedule(session, "report", Cron("30 2 * * 1-5", "Europe/Berlin"), Report(), organization_id=…)` within your own
transaction; workers fire it, however many there are, each time once.

Needs the extra `singr-jobs[worker]`.
"""

try:
    from singr_jobs.schedules._drafts import All, CancelRunning, Draft, Latest, Queue, Skip, Source, draft_of
    from singr_jobs.schedules._errors import ScheduleEndedError, ScheduleError, ScheduleNotFoundError
    from singr_jobs.schedules._requests import MAKES, SealedRequests
    from singr_jobs.schedules._store import (
        delete_schedule,
        list_fires,
        list_schedules,
        pause_schedule,
        preview,
        put_schedule,
        read_schedule,
        resume_schedule,
        run_schedule_now,
        schedule,
    )
    from singr_jobs.schedules._views import FireOutcome, FireView, Preview, ScheduleState, ScheduleView
    from singr_jobs.schedules._when import Cron, Every, Once, zone_of
    from singr_jobs.schedules._zones import zone
except ImportError as error:
    raise ImportError(
        f"singr_jobs.schedules needs {error.name}: pip install 'singr-jobs[worker]'", name=error.name
    ) from error

__all__ = [
    "MAKES",
    "All",
    "CancelRunning",
    "Cron",
    "Draft",
    "Every",
    "FireOutcome",
    "FireView",
    "Latest",
    "Once",
    "Preview",
    "Queue",
    "ScheduleEndedError",
    "ScheduleError",
    "ScheduleNotFoundError",
    "ScheduleState",
    "ScheduleView",
    "SealedRequests",
    "Skip",
    "Source",
    "delete_schedule",
    "draft_of",
    "list_fires",
    "list_schedules",
    "pause_schedule",
    "preview",
    "put_schedule",
    "read_schedule",
    "resume_schedule",
    "run_schedule_now",
    "schedule",
    "zone",
    "zone_of",
]
