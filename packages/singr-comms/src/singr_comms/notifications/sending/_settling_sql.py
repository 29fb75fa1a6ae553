"""The statement by which a message that was found is told from another one's."""

from typing import Final

from singr_db import sql_text

# Of all organizations: they share the provider's account, and two of them may write the same words to one number.
OF_ANOTHER: Final = sql_text("""
SELECT EXISTS (SELECT FROM messages
                WHERE provider = :provider AND provider_message_id = :provider_message_id AND id <> :id)
""")
