"""Who asked for a notification, and whether they are trusted still; the platform's own have nobody."""

from typing import Final

from singr_db import sql_text

_MAY: Final = "ARRAY['notifications:write']"
DISOWNED: Final = f"""
CASE WHEN n.created_by IS NULL THEN false
     WHEN n.created_by LIKE 'user:%' THEN NOT coalesce(effective_scopes(
         n.organization_id, CAST(substr(n.created_by, 6) AS uuid), {_MAY}) @> {_MAY}, false)
     ELSE EXISTS (SELECT FROM service_credentials AS c WHERE c.key_id = n.created_by AND c.revoked_at IS NOT NULL)
      AND NOT EXISTS (
         WITH RECURSIVE line AS (
             SELECT c.key_id, c.replaced_by FROM service_credentials AS c WHERE c.key_id = n.created_by
             UNION
             SELECT c.key_id, c.replaced_by FROM line JOIN service_credentials AS c ON c.key_id = line.replaced_by
         )
         SELECT FROM line JOIN service_credentials AS c USING (key_id)
          WHERE c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now()))
     END"""  # noqa: S608 - constants
"""Of a notification `n`: whether its author was revoked, or may send none any more; for the platform's sessions.

A credential that took the place of theirs answers for them. One that expired was good when it asked.
"""
IS_DISOWNED: Final = sql_text(
    f"SELECT {DISOWNED} FROM notifications AS n WHERE n.id = :id AND n.organization_id = :organization_id"  # noqa: S608 - constants
)
