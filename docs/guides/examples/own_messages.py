"""A service that sends messages of its own types: `python own_messages.py`."""

import asyncio

from parcel_messages.parcel_ready import ParcelReady, ParcelReadySms

from singr_comms import (
    ConsoleSmsProvider,
    EmailAddress,
    EmailEnvelope,
    MemoryEmailProvider,
    SmsEnvelope,
    message_from,
    message_types,
    preview,
    render_email,
)

message_types.add_package("parcel_messages")


async def main() -> None:
    """Send one of each."""
    parcel = "parcel-7"  # what tells a copy: the same on every try
    mail = ParcelReady(user_name="Jane", shop="Corner <Shop>", link="https://parcels.example/7")
    print(render_email(mail).subject)
    email, sms = MemoryEmailProvider(), ConsoleSmsProvider(log=print, show_content=True)
    await email.send(EmailEnvelope(to=EmailAddress("jane@example.org"), message=mail, idempotency_token=parcel))
    text = ParcelReadySms(shop="Corner <Shop>", link="https://parcels.example/7")
    await sms.send(SmsEnvelope(to="+15555550100", message=text, idempotency_token=parcel))
    shown = preview(
        message_from("parcel_ready", "sms", {"shop": "Corner", "link": "https://parcels.example/7"}), locale="de"
    )
    print(shown.locale, shown.text, shown.segments and shown.segments.segments)
    ours = [message_types.named(name) for name in ("parcel_ready", "pickup_code")]
    print({one.name: one.when_unknown for one in ours if one})


if __name__ == "__main__":
    asyncio.run(main())
