"""Breakages of the rows about what organizations look like: where their logos come from, and what a retry wears."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

BRANDING = "packages/singr-comms/src/singr_comms/notifications/branding"
LOGOS = "packages/singr-comms/tests/test_comms_logos.py"
WORN = "packages/singr-comms/tests/test_comms_branding.py"

BREAKAGES = (
    Breakage(
        "logo-from-within",
        "S14",
        "One public address of a host lets all of them pass",
        (Edit(f"{BRANDING}/_fetching.py", "if not all(_is_public(one)", "if not any(_is_public(one)"),),
        f"{LOGOS}::test_hosts_of_private_networks_are_refused_before_any_call[addresses12]",
        "Regex pattern did not match",
        "a name with two addresses led the platform into its own network",
    ),
    Breakage(
        "logo-looked-up-twice",
        "S14",
        "The connection is made by the name, which is looked up once more",
        (Edit(f"{BRANDING}/_fetching.py", "url.copy_with(host=address, fragment=None)", "url"),),
        f"{LOGOS}::test_picture_is_fetched_from_the_address_that_was_looked_at",
        "Error",
        "a name that answers differently the second time would have led inside",
    ),
    Breakage(
        "logo-elsewhere",
        "S14",
        "An address that leads to another is followed",
        (
            Edit(f"{BRANDING}/_fetching.py", "follow_redirects=False", "follow_redirects=True"),
            Edit(f"{BRANDING}/_fetching.py", "        if answer.is_redirect:", "        if False:"),
        ),
        f"{LOGOS}::test_what_is_no_picture_is_refused[/elsewhere-redirects to another]",
        "Error",
        "the platform called an address within its network that nobody had looked at",
    ),
    Breakage(
        "brand-of-today",
        "R31",
        "A message wears the newest brand, whenever it was made",
        (
            Edit(
                f"{BRANDING}/_worn.py",
                "        for starts_at, one in self.brands:\n            if starts_at <= moment:\n",
                "        for _starts_at, one in self.brands:\n            if True:\n",
            ),
        ),
        f"{WORN}::test_every_try_wears_what_was_in_force_when_the_message_was_made",
        "AssertionError",
        "what was sent again looked otherwise, and Resend refused it as another message",
    ),
)
