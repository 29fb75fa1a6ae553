"""After a restore to an earlier moment: whoever remembers what came after it has to read anew."""

from singr_config import Secret
from singr_db._statements import sql_text
from singr_db.schema._migrate import connected

# Whoever follows an inbox by its positions, which are given once more now, finds them too far ahead to be told each
# change, and reads it anew; so many more than any inbox can have lost. An account that comes back to an inbox in which
# nothing came meanwhile still finds it so.
_MOVE_INBOXES = sql_text("""
UPDATE inbox_counters
   SET position = position + 1000000, left_at = CASE WHEN left_at = position THEN left_at + 1000000 ELSE left_at END
""")
# Of everybody's: processes forget what they know of roles.
_TELL_PROCESSES = sql_text("INSERT INTO access_changes (kind, subject) VALUES ('user', NULL)")


def tell_of_restore(url: Secret | str) -> int:
    """Let processes, and whoever follows an inbox, read anew what they know; harmless where nothing was restored.

    Returns:
        How many inboxes are read anew.

    Raises:
        DatabaseUrlError: the address cannot be used.
        sqlalchemy.exc.DBAPIError: the server cannot be reached, or refuses it.
    """
    with connected(url) as connection, connection.begin():
        moved = connection.execute(_MOVE_INBOXES).rowcount
        connection.execute(_TELL_PROCESSES)
    return moved
