"""The statements by which a message that was found is told from another one's, and by which look-ups are told of."""

from typing import Final

from singr_db import sql_text

# Of all organizations: they share the provider's account, and two of them may write the same words to one number.
OF_ANOTHER: Final = sql_text("""
SELECT EXISTS (SELECT FROM messages
                WHERE provider = :provider AND provider_message_id = :provider_message_id AND id <> :id)
""")
# Asked to the same effect again, it is the same line: an hour of questions is no more than a few.
TOLD: Final = sql_text("""
INSERT INTO message_events (message_id, key_hash, organization_id, provider, event, state, raised, error, occurred_at)
VALUES (:id, :key_hash, :organization_id, :provider, :event, :state, :raised, CAST(:error AS jsonb), clock_timestamp())
ON CONFLICT (message_id, key_hash)
DO UPDATE SET error = excluded.error, occurred_at = excluded.occurred_at
""")
