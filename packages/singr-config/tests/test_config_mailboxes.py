"""Mailboxes behind addresses, as limits count them."""

import pytest

from singr_config.mailboxes import mailbox_of


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("jane@example.org", "jane@example.org"),
        ("jane+1@example.org", "jane@example.org"),
        ("jane+1+2@example.org", "jane@example.org"),
        ("ja.ne@example.org", "ja.ne@example.org"),
        ("ja.ne+1@gmail.com", "jane@gmail.com"),
        ("j.a.n.e@googlemail.com", "jane@gmail.com"),
        ("jane@gmail.com.example.org", "jane@gmail.com.example.org"),
        ("+1@example.org", "+1@example.org"),
        ("jane-1@example.org", "jane-1@example.org"),
        ("", ""),
    ],
)
def test_mailbox_is_the_address_without_its_tag_and_at_gmail_without_dots(address: str, mailbox: str) -> None:
    assert mailbox_of(address) == mailbox
    assert mailbox_of(mailbox) == mailbox
