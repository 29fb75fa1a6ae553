"""What goes to people: one call that names them and a type, decided in SQL, and an answer for each why, or why not.

Needs the extra `notifications`.
"""

from singr_comms.notifying._asked import (
    MOST_NAMED,
    SOME_WAYS,
    Audience,
    DeduplicationKey,
    InvalidNotificationError,
    NotificationFault,
    NotificationNotFoundError,
    NotificationRequest,
    NotificationStateError,
    PriorityName,
    Rate,
    Target,
    ZonedTime,
)
from singr_comms.notifying._explaining import explain
from singr_comms.notifying._fan_out import FanOut
from singr_comms.notifying._job import FanOutNotification
from singr_comms.notifying._jobs import jobs
from singr_comms.notifying._notify import Notified, notify, store
from singr_comms.notifying._reading import (
    MessageCount,
    NotificationAudience,
    NotificationDetail,
    NotificationView,
    list_notifications,
    read_notification,
)
from singr_comms.notifying._reminders import (
    Reminder,
    ask_for_review,
    cancel_reminder,
    remind_of_pickup,
    remind_of_renewal,
)
from singr_comms.notifying._steering import (
    Cancelled,
    cancel_by_key,
    cancel_notification,
    pause_notification,
    resume_notification,
)
from singr_comms.notifying.chores._tell_lateness import DigestLateness
from singr_comms.notifying.chores._tell_overdue import OverdueNotifications
from singr_comms.notifying.digests import ClosedDigests, Digests, Period
from singr_comms.notifying.job_types.email_digest import EmailDigest

__all__ = [
    "MOST_NAMED",
    "SOME_WAYS",
    "Audience",
    "Cancelled",
    "ClosedDigests",
    "DeduplicationKey",
    "DigestLateness",
    "Digests",
    "EmailDigest",
    "FanOut",
    "FanOutNotification",
    "InvalidNotificationError",
    "MessageCount",
    "NotificationAudience",
    "NotificationDetail",
    "NotificationFault",
    "NotificationNotFoundError",
    "NotificationRequest",
    "NotificationStateError",
    "NotificationView",
    "Notified",
    "OverdueNotifications",
    "Period",
    "PriorityName",
    "Rate",
    "Reminder",
    "Target",
    "ZonedTime",
    "ask_for_review",
    "cancel_by_key",
    "cancel_notification",
    "cancel_reminder",
    "explain",
    "jobs",
    "list_notifications",
    "notify",
    "pause_notification",
    "read_notification",
    "remind_of_pickup",
    "remind_of_renewal",
    "resume_notification",
    "store",
]
