"""Tables of a service of one's own, in the same database as Singr's."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from singr_db.tables import Organization


class Base(DeclarativeBase):
    """The base of this service's tables: never Singr's own, whose tables Singr itself migrates."""


class ParcelTold(Base):
    """Who was told of which parcel."""

    __tablename__ = "parcels_told"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id), primary_key=True)
    number: Mapped[str] = mapped_column(Text, primary_key=True)
    told_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
