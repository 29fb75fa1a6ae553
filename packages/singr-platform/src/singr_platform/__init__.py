"""What every process of Singr shares, so that neither app imports the other and nothing is wired twice."""

from singr_platform._account_data import OwnAccounts
from singr_platform._follower import RecipientsFollow
from singr_platform._job_types import all_jobs
from singr_platform._notifier import CommsNotifier
from singr_platform._parts import Parts
from singr_platform._resources import job_resources
from singr_platform._schedules import request_intakes, schedule_requests
from singr_platform._standing_work import standing_work

__all__ = [
    "CommsNotifier",
    "OwnAccounts",
    "Parts",
    "RecipientsFollow",
    "all_jobs",
    "job_resources",
    "request_intakes",
    "schedule_requests",
    "standing_work",
]
