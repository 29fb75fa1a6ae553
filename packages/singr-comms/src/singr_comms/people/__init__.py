"""Whom an organization reaches: people with addresses, devices, topics, and a key of their own that seals these.

Needs the extra `notifications`.
"""

from singr_config.extras import require_extra

require_extra(
    "singr-comms",
    "notifications",
    *("singr_db", "singr_jobs", "singr_observability", "psycopg", "sqlalchemy", "phonenumbers", "email_validator"),
)

from singr_comms.notifications._person_keys import (
    open_keys,
    open_sealed,
    read_keys,
)
from singr_comms.notifications._unsubscribing import Sender
from singr_comms.people._directory import (
    Directory,
    Member,
)
from singr_comms.people._errors import (
    DeviceNotFoundError,
    PeopleError,
    PersonFault,
    RecipientNotFoundError,
    TopicInUseError,
    TopicNotFoundError,
)
from singr_comms.people._jobs import (
    jobs,
)
from singr_comms.people.devices._store import (
    DeviceInput,
    DeviceView,
    list_devices,
    member_reached,
    recipient_named,
    recipient_of_member,
    register_device,
    remove_device,
)
from singr_comms.people.exporting._account import (
    AccountData,
)
from singr_comms.people.exporting._asking import (
    AddressChangedError,
    AddressHeldBackError,
    ExportLimitError,
    ExportStandsError,
    NoAddressError,
    ask_export,
    ask_my_export,
)
from singr_comms.people.exporting._exports import (
    Exports,
)
from singr_comms.people.exporting._job import (
    RemoveExport,
    WriteExport,
)
from singr_comms.people.exporting._withdrawing import (
    withdraw_account_exports,
)
from singr_comms.people.preferences._carrying import (
    as_reader,
    ended_by_others,
)
from singr_comms.people.preferences._frequency import (
    FREQUENCY_SQL,
    Frequency,
    Often,
    frequency_of,
    may_wait,
)
from singr_comms.people.preferences._links import (
    LinkReader,
    PreferencesLink,
    end_by_link,
    link_for,
    mail_ended,
    reader_of_link,
    reader_of_mail,
)
from singr_comms.people.preferences._look import (
    LookedAt,
    PreferencesLook,
)
from singr_comms.people.preferences._model import (
    MOST_CHOICES,
    CategoryPreference,
    ChannelPreference,
    FrequencyChoice,
    KeptChoice,
    KeptFrequency,
    PreferenceChoice,
    PreferenceError,
    PreferencesView,
    TypePreference,
)
from singr_comms.people.preferences._rule import (
    RULE_SQL,
    Decision,
    decide,
)
from singr_comms.people.preferences._store import (
    PreferencesHolder,
    change_preferences,
    preferences_holder,
    preferences_holder_of_user,
    read_preferences,
)
from singr_comms.people.privacy._erase import (
    erase_recipient,
)
from singr_comms.people.privacy._job import (
    EraseByKey,
    EraseRecipient,
)
from singr_comms.people.recipients._following import (
    follow_account,
)
from singr_comms.people.recipients._leaving import remove_recipient
from singr_comms.people.recipients._model import (
    MOST_AT_ONCE,
    DefaultDigestTime,
    DigestTime,
    ExternalId,
    Imported,
    NamedRecipient,
    QuietHours,
    RecipientInput,
    RecipientView,
    Tag,
)
from singr_comms.people.recipients._statistics import (
    BY_OF_PERSON,
    recipient_statistics,
)
from singr_comms.people.recipients._store import (
    import_recipients,
    list_recipients,
    put_recipient,
    read_recipient,
)
from singr_comms.people.times._closing import closes_sql
from singr_comms.people.times._defaults import (
    read_digest_defaults,
    set_digest_defaults,
)
from singr_comms.people.times._own import (
    OwnTimes,
    read_times,
    set_times,
)
from singr_comms.people.topics._store import (
    TopicChange,
    TopicChanged,
    TopicKey,
    TopicView,
    change_topic,
    list_topics,
    read_topic,
    remove_topic,
)

__all__ = [
    "BY_OF_PERSON",
    "FREQUENCY_SQL",
    "MOST_AT_ONCE",
    "MOST_CHOICES",
    "RULE_SQL",
    "AccountData",
    "AddressChangedError",
    "AddressHeldBackError",
    "CategoryPreference",
    "ChannelPreference",
    "Decision",
    "DefaultDigestTime",
    "DeviceInput",
    "DeviceNotFoundError",
    "DeviceView",
    "DigestTime",
    "Directory",
    "EraseByKey",
    "EraseRecipient",
    "ExportLimitError",
    "ExportStandsError",
    "Exports",
    "ExternalId",
    "Frequency",
    "FrequencyChoice",
    "Imported",
    "KeptChoice",
    "KeptFrequency",
    "LinkReader",
    "LookedAt",
    "Member",
    "NamedRecipient",
    "NoAddressError",
    "Often",
    "OwnTimes",
    "PeopleError",
    "PersonFault",
    "PreferenceChoice",
    "PreferenceError",
    "PreferencesHolder",
    "PreferencesLink",
    "PreferencesLook",
    "PreferencesView",
    "QuietHours",
    "RecipientInput",
    "RecipientNotFoundError",
    "RecipientView",
    "RemoveExport",
    "Sender",
    "Tag",
    "TopicChange",
    "TopicChanged",
    "TopicInUseError",
    "TopicKey",
    "TopicNotFoundError",
    "TopicView",
    "TypePreference",
    "WriteExport",
    "as_reader",
    "ask_export",
    "ask_my_export",
    "change_preferences",
    "change_topic",
    "closes_sql",
    "decide",
    "end_by_link",
    "ended_by_others",
    "erase_recipient",
    "follow_account",
    "frequency_of",
    "import_recipients",
    "jobs",
    "link_for",
    "list_devices",
    "list_recipients",
    "list_topics",
    "mail_ended",
    "may_wait",
    "member_reached",
    "open_keys",
    "open_sealed",
    "preferences_holder",
    "preferences_holder_of_user",
    "put_recipient",
    "read_digest_defaults",
    "read_keys",
    "read_preferences",
    "read_recipient",
    "read_times",
    "read_topic",
    "reader_of_link",
    "reader_of_mail",
    "recipient_named",
    "recipient_of_member",
    "recipient_statistics",
    "register_device",
    "remove_device",
    "remove_recipient",
    "remove_topic",
    "set_digest_defaults",
    "set_times",
    "withdraw_account_exports",
]
