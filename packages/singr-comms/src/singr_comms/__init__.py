"""Messages, templates and providers for e-mail, SMS and push; the send ledger on top."""
