"""`singr profile`: which APIs there are, and the credentials for them, in a file that only its owner can read."""

import sys
from typing import Annotated, Final

import typer

from singr_cli._clean import clean
from singr_cli._errors import CliError, Code
from singr_cli._output import Output
from singr_cli._profiles import NAME, Profile, Profiles

COMMANDS: Final = typer.Typer(
    help="Profiles: where an API is, and a credential for it.", no_args_is_help=True, rich_markup_mode=None
)
_COLUMNS: Final = ("name", "url", "credential", "organization", "in_use")
Name = Annotated[str, typer.Argument(metavar="NAME")]


@COMMANDS.command()
def add(
    name: Name,
    url: Annotated[str, typer.Option(help="Where the API is, such as https://api.example.com.")],
    key: Annotated[str, typer.Option(help="The key id, for a signing credential instead of an API key.")] = "",
    organization: Annotated[
        str, typer.Option(help="The organization to act for: required for a platform credential.")
    ] = "",
    *,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Send the credential over http, too.")] = False,
) -> None:
    """Make a profile, or replace it; its secret is asked for, or read from standard input."""
    if not NAME.fullmatch(name):
        raise CliError(Code.USAGE, "NAME: must be letters, digits, dots, underscores and hyphens, 64 at most.")
    profiles = Profiles.read()
    Profile(url.rstrip("/"), plain_http=plain_http).check()  # before anybody types a secret
    secret = _secret("Secret" if key else "API key")
    made = Profile(
        url.rstrip("/"), "" if key else secret, key, secret if key else "", organization, plain_http=plain_http
    ).check()
    profiles.found[name] = made
    profiles.current = profiles.current or name
    profiles.write()
    typer.echo(f"{name}: {made.url}, {made.credential}", err=True)


@COMMANDS.command("list")
def show(output: Annotated[str | None, typer.Option(help="table, json, jsonl or csv.")] = None) -> None:
    """List profiles, without their secrets."""
    profiles = Profiles.read()
    rows = [
        {
            "name": name,
            "url": one.url,
            "credential": one.credential,
            "organization": one.organization,
            "in_use": name == profiles.current,
        }
        for name, one in sorted(profiles.found.items())
    ]
    Output(output).items(rows, _COLUMNS)


@COMMANDS.command()
def use(name: Name) -> None:
    """Use a profile from now on."""
    profiles = Profiles.read()
    profiles.named(name)
    profiles.current = name
    profiles.write()


@COMMANDS.command()
def remove(name: Name) -> None:
    """Forget a profile and its credential, which stays valid: revoke it where it is not needed any more."""
    profiles = Profiles.read()
    profiles.named(name)
    del profiles.found[name]
    if profiles.current == name:
        profiles.current = ""
    profiles.write()


def _secret(what: str) -> str:
    """Return a secret: typed unseen, or piped in; never an argument, which every user of the machine could list."""
    given = typer.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise CliError(Code.USAGE, f"Standard input holds no {clean(what)}: pipe it in, or run this on a terminal.")
    return str(given).strip()
