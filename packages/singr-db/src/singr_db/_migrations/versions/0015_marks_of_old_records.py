"""Nonces and idempotency records of the release before are marked: what was answered is answered again.

A transaction of its own, after the triggers of 0014: whoever writes meanwhile marks by itself and waits for nothing.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

HALF = "encode(substring(sha256(convert_to({text}, 'UTF8'){more}) FOR 16), 'hex')::uuid"
NONCE = HALF.format(text="'nonce' || chr(10) || key_id || chr(10) || nonce", more="")
KEY = HALF.format(text="'key' || chr(10) || organization_id || chr(10) || key", more="")
PRINT = HALF.format(text="method || chr(10) || path || chr(10)", more=" || body_hash")


def upgrade() -> None:
    op.execute(f"""
        INSERT INTO request_marks (mark, expires_at) SELECT {NONCE}, expires_at FROM request_nonces
        ON CONFLICT (mark) DO NOTHING
    """)  # noqa: S608 - constants
    op.execute(f"""
        INSERT INTO request_keys
               (mark, organization_id, print, created_at, status_code, content_type, response_body)
        SELECT {KEY}, organization_id, {PRINT}, created_at, status_code, content_type, response_body
          FROM idempotency_records WHERE expires_at > now()
        ON CONFLICT (mark) DO NOTHING
    """)  # noqa: S608 - constants


def downgrade() -> None:
    """The release before has its own records still."""
