"""What is answered of exports."""

from uuid import UUID

import msgspec


class Exporting(msgspec.Struct, frozen=True, kw_only=True):
    """The export is being written.

    Attributes:
        job_id: the job that writes the export and mails the link.
    """

    job_id: UUID
