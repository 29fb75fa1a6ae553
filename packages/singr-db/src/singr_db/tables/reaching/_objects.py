"""What lies in the object store, and whose it is."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from singr_db.tables._base import Base, CreatedAt, one_of


class ObjectKind(StrEnum):
    """What an object is; with its id, that makes its key."""

    LOGO = "logo"
    EXPORT = "export"


class NotedObject(Base):
    """An object that was stored, or was about to be: the row is there before it, and goes after it.

    It refers to no organization, and so is left where one is deleted: what is nobody's any more is found by it.
    """

    __tablename__ = "noted_objects"
    __table_args__ = (one_of("kind", ObjectKind),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    created_at: Mapped[CreatedAt]
