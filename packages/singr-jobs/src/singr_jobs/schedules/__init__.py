"""Work at its times: by cron expression with a time zone, by interval, or once; each time becomes one job.

`await schedule(session, "report", Cron("30 2 * * 1-5", "Europe/Berlin"), Report(), organization_id=…)` within your own
transaction; workers fire it, however many there are, each time once.

Needs the extra `singr-jobs[worker]`.
"""

try:
    from singr_jobs.schedules._drafts import All, CancelRunning, Latest, Queue, Skip
    from singr_jobs.schedules._errors import ScheduleEndedError, ScheduleError, ScheduleNotFoundError
    from singr_jobs.schedules._store import (
        delete_schedule,
        list_fires,
        list_schedules,
        pause_schedule,
        preview,
        read_schedule,
        resume_schedule,
        run_schedule_now,
        schedule,
    )
    from singr_jobs.schedules._views import FireView, Preview, ScheduleView
    from singr_jobs.schedules._when import Cron, Every, Once
except ImportError as error:
    raise ImportError(
        f"singr_jobs.schedules needs {error.name}: pip install 'singr-jobs[worker]'", name=error.name
    ) from error

__all__ = [
    "All",
    "CancelRunning",
    "Cron",
    "Every",
    "FireView",
    "Latest",
    "Once",
    "Preview",
    "Queue",
    "ScheduleEndedError",
    "ScheduleError",
    "ScheduleNotFoundError",
    "ScheduleView",
    "Skip",
    "delete_schedule",
    "list_fires",
    "list_schedules",
    "pause_schedule",
    "preview",
    "read_schedule",
    "resume_schedule",
    "run_schedule_now",
    "schedule",
]
