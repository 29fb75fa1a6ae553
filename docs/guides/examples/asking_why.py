"""Asks why a message would not be sent, in a service that imports `singr_comms` alone."""

from uuid import UUID

from singr_comms.notifications import SendingQuestion, explainer
from singr_config import Settings
from singr_db import Database, Sealer


async def why_not(settings: Settings, db: Database, sealer: Sealer, organization_id: UUID) -> str:
    """Say what would become of a mail to Jane."""
    question = SendingQuestion(channel="email", recipient="jane@example.org", kind="song_request")
    found = await explainer(settings, db=db, sealer=sealer).explain(organization_id, question)
    return found.in_words  # It would be sent now by mailjet.
