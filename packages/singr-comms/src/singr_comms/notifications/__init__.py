"""Messages on top of database and queue: queued in a transaction, sent by jobs, told by the delivery log.

Needs the extra `notifications`.
"""

from singr_config.extras import require_extra

require_extra(
    "singr-comms",
    "notifications",
    *("singr_db", "singr_jobs", "singr_observability", "psycopg", "sqlalchemy", "phonenumbers", "email_validator"),
)

from singr_comms.notifications._deliveries import (
    Deliveries,
    Delivery,
    DeliveryAttempt,
    DeliveryDetail,
    DeliveryError,
    DeliveryEvent,
)
from singr_comms.notifications._intake import MessageIntake, message_intakes
from singr_comms.notifications._jobs import jobs, message_jobs
from singr_comms.notifications._maintenance import SettleCursor, Settled, collect_quotas, settle_messages
from singr_comms.notifications._provider_health import (
    Force,
    ProviderFailure,
    ProviderForce,
    ProviderRate,
    ProviderUnknownError,
    ProviderView,
    force_provider,
    list_providers,
    release_provider,
)
from singr_comms.notifications._queue import Queued, queue_message
from singr_comms.notifications._reachable import wrong_email, wrong_phone
from singr_comms.notifications._reader_links import LinkOverError, UnsubscribeLinkError
from singr_comms.notifications._resolving import (
    DeliveryNotFoundError,
    DeliverySettledError,
    Resolution,
    WordsGoneError,
    resolve_delivery,
)
from singr_comms.notifications._rows import MessageRow
from singr_comms.notifications._suppression_list import (
    SuppressionNotFoundError,
    SuppressionView,
    lift_suppression,
    list_suppressions,
)
from singr_comms.notifications._wiring import SenderSettings, explainer, message_sender, webhooks
from singr_comms.notifications.branding._fetching import fetched_picture
from singr_comms.notifications.branding._logos import LogoLimitError, check_logo_limit, note_logo
from singr_comms.notifications.branding._names import is_fit_name
from singr_comms.notifications.branding._store import (
    BrandingError,
    BrandingInput,
    BrandingNotFoundError,
    BrandingView,
    OverrideInput,
    OverrideView,
    check_brand,
    is_logo,
    key_of_logo,
    list_overrides,
    put_branding,
    put_override,
    read_branding,
    read_override,
    remove_branding,
    remove_override,
)
from singr_comms.notifications.branding._worn import LOGOS, Brands
from singr_comms.notifications.branding.pictures._picture import ImageError, Picture
from singr_comms.notifications.branding.pictures._reading import media_type_of, picture_of
from singr_comms.notifications.callbacks._intake import WebhookIntake
from singr_comms.notifications.callbacks._job import ProcessWebhook
from singr_comms.notifications.callbacks._log import (
    WebhookNotFoundError,
    WebhookState,
    WebhookView,
    list_webhooks,
    read_webhook,
    replay_webhook,
    replay_webhooks,
)
from singr_comms.notifications.callbacks._message_news import Effect
from singr_comms.notifications.callbacks._processing import Webhooks
from singr_comms.notifications.callbacks._stripe import StripeSubscriptions
from singr_comms.notifications.callbacks._subscriptions import SubscriptionView, read_subscription_of
from singr_comms.notifications.channels.email import EmailRequest, SendEmail
from singr_comms.notifications.channels.push import PushRequest, SendPush
from singr_comms.notifications.channels.sms import SendSms, SmsRequest
from singr_comms.notifications.chores._retain_messages import MessageRetention
from singr_comms.notifications.reading._counting import count_deliveries
from singr_comms.notifications.reading._explain import Explainer
from singr_comms.notifications.reading._question import (
    ProviderDoor,
    QuestionError,
    SendingExplanation,
    SendingQuestion,
    SendingReason,
)
from singr_comms.notifications.reading._statistics import (
    BY as STATISTICS_BY,
)
from singr_comms.notifications.reading._statistics import (
    DeliveryGroup,
    DeliveryRates,
    DeliveryReason,
    DeliveryStates,
    DeliveryStatistics,
    DeliveryTimes,
    delivery_statistics,
    statistics_faults,
)
from singr_comms.notifications.reading._story import DeliveryDecision, DeliveryRequest, DeliveryResolution
from singr_comms.notifications.retention._foreseeing import foresee_messages
from singr_comms.notifications.retention._turn import MessageReport
from singr_comms.notifications.sending._sender import MessageSender
from singr_comms.notifications.sending._try import Delivered

queue_email = queue_message
"""As `queue_message`, by its name of before."""
queue_sms = queue_message
"""As `queue_message`, by its name of before."""

__all__ = [
    "LOGOS",
    "STATISTICS_BY",
    "BrandingError",
    "BrandingInput",
    "BrandingNotFoundError",
    "BrandingView",
    "Brands",
    "Delivered",
    "Deliveries",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryDecision",
    "DeliveryDetail",
    "DeliveryError",
    "DeliveryEvent",
    "DeliveryGroup",
    "DeliveryNotFoundError",
    "DeliveryRates",
    "DeliveryReason",
    "DeliveryRequest",
    "DeliveryResolution",
    "DeliverySettledError",
    "DeliveryStates",
    "DeliveryStatistics",
    "DeliveryTimes",
    "Effect",
    "EmailRequest",
    "Explainer",
    "Force",
    "ImageError",
    "LinkOverError",
    "LogoLimitError",
    "MessageIntake",
    "MessageReport",
    "MessageRetention",
    "MessageRow",
    "MessageSender",
    "OverrideInput",
    "OverrideView",
    "Picture",
    "ProcessWebhook",
    "ProviderDoor",
    "ProviderFailure",
    "ProviderForce",
    "ProviderRate",
    "ProviderUnknownError",
    "ProviderView",
    "PushRequest",
    "QuestionError",
    "Queued",
    "Resolution",
    "SendEmail",
    "SendPush",
    "SendSms",
    "SenderSettings",
    "SendingExplanation",
    "SendingQuestion",
    "SendingReason",
    "SettleCursor",
    "Settled",
    "SmsRequest",
    "StripeSubscriptions",
    "SubscriptionView",
    "SuppressionNotFoundError",
    "SuppressionView",
    "UnsubscribeLinkError",
    "WebhookIntake",
    "WebhookNotFoundError",
    "WebhookState",
    "WebhookView",
    "Webhooks",
    "WordsGoneError",
    "check_brand",
    "check_logo_limit",
    "collect_quotas",
    "count_deliveries",
    "delivery_statistics",
    "explainer",
    "fetched_picture",
    "force_provider",
    "foresee_messages",
    "is_fit_name",
    "is_logo",
    "jobs",
    "key_of_logo",
    "lift_suppression",
    "list_overrides",
    "list_providers",
    "list_suppressions",
    "list_webhooks",
    "media_type_of",
    "message_intakes",
    "message_jobs",
    "message_sender",
    "note_logo",
    "picture_of",
    "put_branding",
    "put_override",
    "queue_email",
    "queue_message",
    "queue_sms",
    "read_branding",
    "read_override",
    "read_subscription_of",
    "read_webhook",
    "release_provider",
    "remove_branding",
    "remove_override",
    "replay_webhook",
    "replay_webhooks",
    "resolve_delivery",
    "settle_messages",
    "statistics_faults",
    "webhooks",
    "wrong_email",
    "wrong_phone",
]
