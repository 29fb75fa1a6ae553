"""What the documentation of the delivery log shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

DELIVERY: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000002",
    "job_id": "019ab2c0-7f00-7000-8000-000000000001",
    "user_id": None,
    "channel": "email",
    "kind": "song_request",
    "status": "sent",
    "recipient": "h***@bluenote.example",
    "provider": "smtp",
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "attempt_count": 1,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "created_at": "2026-11-22T12:00:00Z",
    "sent_at": "2026-11-22T12:00:00.120Z",
    "delivered_at": None,
    "updated_at": "2026-11-22T12:00:00.120Z",
}
SEEN: Final = Example("Seen at the provider", {"outcome": "sent", "reason": "Mailjet lists it as sent."})
ATTEMPT: Final[dict[str, Any]] = {
    "attempt": 1,
    "provider": "smtp",
    "status": "sent",
    "in_doubt": False,
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "started_at": "2026-11-22T12:00:00.050Z",
    "finished_at": "2026-11-22T12:00:00.120Z",
}
EVENT: Final[dict[str, Any]] = {
    "source": "callback",
    "provider": "mailjet",
    "event": "sent",
    "status": "delivered",
    "applied": True,
    "error": None,
    "webhook_id": "019ab2c0-7f00-7000-8000-00000000000b",
    "occurred_at": "2026-11-22T12:00:03Z",
    "received_at": "2026-11-22T12:00:04.512Z",
}
REQUEST: Final[dict[str, Any]] = {
    "job_id": "019ab2c0-7f00-7000-8000-000000000001",
    "type": "email.send",
    "queue": "email",
    "reference": None,
    "flow_id": None,
    "asked_by": "ak_5Tn3Xw8yLm1Po6Qr2",
    "asked_at": "2026-11-22T12:00:00Z",
    "due_at": "2026-11-22T12:00:00Z",
    "tries": 1,
    "finished_at": "2026-11-22T12:00:00.130Z",
}
LET_GO: Final[dict[str, Any]] = {
    "outcome": "let_go",
    "rule": None,
    "choice": None,
    "in_words": "When its last attempt began, no suppression held for its address; its limits had let it go before.",
    "suppression": None,
}
SENT: Final[dict[str, Any]] = {
    **DELIVERY,
    "request": REQUEST,
    "decision": LET_GO,
    "attempts": [ATTEMPT],
    "events": [],
    "resolutions": [],
    "is_whole": True,
}
SUPPRESSION: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000c",
    "channel": "email",
    "address": "h***@bluenote.example",
    "of_all": False,
    "scope": "all",
    "reason": "complained",
    "message_id": "019ab2c0-7f00-7000-8000-000000000002",
    "created_at": "2026-11-20T09:00:00Z",
    "expires_at": None,
    "lifted_at": None,
    "lifted_by": None,
    "lifted_note": None,
}
STOPPED: Final[dict[str, Any]] = {
    **SENT,
    "status": "suppressed",
    "provider": None,
    "provider_message_id": None,
    "error": {"code": "complained_before", "message": "the reader complained of a message before"},
    "attempt_count": 0,
    "sent_at": None,
    "attempts": [],
    "decision": {
        "outcome": "stopped",
        "rule": "complained_before",
        "choice": None,
        "in_words": "the reader complained of a message before",
        "suppression": SUPPRESSION,
    },
}
DECLARED: Final[dict[str, Any]] = {
    **SENT,
    "resolutions": [
        {
            "outcome": "sent",
            "by": "user:019ab2c0-7f00-7000-8000-000000000007",
            "reason": "Mailjet lists it as sent.",
            "at": "2026-11-22T13:00:00Z",
            "correlation_id": "11f067aa0ba902b7a3ce929d0e0e4737",
        }
    ],
}
DELIVERED: Final[dict[str, Any]] = {
    **SENT,
    "status": "delivered",
    "provider": "mailjet",
    "provider_message_id": "1152921504606846976",
    "delivered_at": "2026-11-22T12:00:03Z",
    "updated_at": "2026-11-22T12:00:05Z",
    "attempts": [{**ATTEMPT, "provider": "mailjet", "provider_message_id": "1152921504606846976"}],
    "events": [EVENT],
}
QUESTION: Final = Example(
    "Would a song request reach this address?",
    {"type": "song_request", "channel": "email", "address": "jane@bluenote.example"},
)
_EXPLAINED: Final[dict[str, Any]] = {
    "outcome": "sent",
    "in_words": "It would be sent now by resend, as mailjet fails.",
    "channel": "email",
    "kind": "song_request",
    "recipient": "j***@bluenote.example",
    "at": "2026-11-27T12:00:00Z",
    "provider": "resend",
    "rule": None,
    "reasons": [],
    "providers": [
        {"provider": "mailjet", "state": "open", "is_called": False, "probe_at": "2026-11-27T12:00:20Z"},
        {"provider": "resend", "state": "closed", "is_called": True, "probe_at": None},
    ],
}
MOVED: Final = Example("Through the fallback provider", _EXPLAINED)
COMPLAINED: Final = Example(
    "The recipient complained before",
    {
        **_EXPLAINED,
        "outcome": "stopped",
        "in_words": "It would not be sent: the reader complained of a message before.",
        "provider": None,
        "reasons": [
            {
                "code": "complained_before",
                "in_words": "the reader complained of a message before",
                "rule": None,
                "decides": True,
                "since": "2026-11-20T09:00:00Z",
                "until": None,
                "suppression": SUPPRESSION,
            }
        ],
        "providers": [{"provider": "mailjet", "state": "closed", "is_called": True, "probe_at": None}],
    },
)
UNWANTED: Final = Example(
    "The person has switched it off",
    {
        **_EXPLAINED,
        "outcome": "stopped",
        "in_words": "It would not be sent: its recipient does not want it: recipient:category+channel is off.",
        "provider": None,
        "rule": "recipient:category+channel",
        "reasons": [
            {
                "code": "preference",
                "in_words": "its recipient does not want it: recipient:category+channel is off",
                "rule": "recipient:category+channel",
                "decides": True,
                "since": None,
                "until": None,
                "suppression": None,
            }
        ],
        "providers": [{"provider": "mailjet", "state": "closed", "is_called": True, "probe_at": None}],
    },
)
