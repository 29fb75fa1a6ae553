"""Breakages of the rows about what organizations look like: where their logos come from, and what a retry wears."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

BRANDING = "packages/singr-comms/src/singr_comms/notifications/branding"
LOGOS = "packages/singr-comms/tests/test_comms_logos.py"
PICTURES = "packages/singr-comms/tests/test_comms_pictures.py"
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
        "logo-that-swells",
        "S14",
        "Pixels are inflated without counting them on the way",
        (
            Edit(f"{BRANDING}/pictures/_png.py", "inflater.decompress(fed, _INFLATED)", "inflater.decompress(fed)"),
            Edit(f"{BRANDING}/pictures/_png.py", "_FED: Final = 4 * 1024", "_FED: Final = 4 * 1024 * 1024"),
        ),
        f"{PICTURES}::test_pixels_that_inflate_to_more_than_a_picture_has_are_refused_in_little_memory",
        "< (1024 * 1024)",
        "a picture of 150 kB took as much of the API as it swelled to",
    ),
    Breakage(
        "logo-with-a-passenger",
        "S14",
        "Chunks that draw nothing are stored with the picture",
        (
            Edit(
                f"{BRANDING}/pictures/_png.py",
                "            _check_left_out(source, kind, content)\n",
                "            kept[kind] = content\n",
            ),
            Edit(f"{BRANDING}/pictures/_png.py", "for kind in _KEPT if kind in kept)", "for kind in kept)"),
            Edit(
                f"{BRANDING}/pictures/_png.py",
                "    for kind, content in kept.items():\n",
                "    for kind, content in ():\n",
            ),
        ),
        f"{PICTURES}::test_nothing_is_kept_of_a_picture_but_what_draws_it[png-profile]",
        "AssertionError",
        "the platform served, as a logo, a profile that fills the memory of whoever opens the mail",
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
