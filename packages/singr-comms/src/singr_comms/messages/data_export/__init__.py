"""Everything that is kept about somebody was written out, and can be fetched by a link."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, ExpiryDays, HttpUrl, Message, MessageType, PersonName


class DataExported(Message, tag="data_export", frozen=True, kw_only=True):
    """The reader's data export is ready; without `organization_name` it is the platform's."""

    listed: ClassVar[int] = 95

    download_link: HttpUrl
    expiry_days: ExpiryDays
    organization_name: PersonName | None = None


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=DataExported,
    examples=(
        lambda organization="Blue Note": DataExported(
            download_link=EXAMPLE_LINK, expiry_days=3, organization_name=organization
        ),
        lambda: DataExported(download_link=EXAMPLE_LINK, expiry_days=1),
    ),
)
