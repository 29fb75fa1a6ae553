"""Everything that is kept about somebody was written out, and can be fetched by a link."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, ExpiryDays, HttpUrl, Message, MessageType, PersonName


class DataExported(Message, tag="data_export", frozen=True, kw_only=True):
    """The reader's data export is ready.

    It is that of `organization_name`; without it that of an organization that is not named (`of_organization`), or else
    the platform's.
    """

    listed: ClassVar[int] = 95

    download_link: HttpUrl
    expiry_days: ExpiryDays
    organization_name: PersonName | None = None
    of_organization: bool = False


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
        lambda: DataExported(download_link=EXAMPLE_LINK, expiry_days=3, of_organization=True),
    ),
)
