"""Reading the environment into sections."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec
from dotenv import dotenv_values

from singr_config.loading._derived import derive
from singr_config.loading._problems import ConfigurationError, Problem
from singr_config.loading._rules import Draft, check_rules
from singr_config.loading._surroundings import check_surroundings
from singr_config.sections._settings import Settings
from singr_config.sections._variable import ABSENT, AppEnvironment, Declared, annotation, declared, nested
from singr_config.values._enums import AppEnv
from singr_config.values._kinds import shown

Section = TypeVar("Section", bound=msgspec.Struct)

_ENV_FILE = Path(".env")
_ENV_NAMES = ("APP_ENV", "NODE_ENV")


def load_settings(environ: Mapping[str, str] | None = None, *, env_file: Path | None = _ENV_FILE) -> Settings:
    """Read and check everything that Singr is told by its environment.

    Args:
        environ: Variables by name; this process's environment where none is given. It is read, never changed.
        env_file: a file of further variables, read in development and test only, whose values never override those in
            `environ`. None reads no file; a file that does not exist is no problem.

    Raises:
        ConfigurationError: with every problem at once, and never a secret's value.
    """
    return load_section(Settings, environ, env_file=env_file)


@overload
def load_section(
    section: type[Section], environ: Mapping[str, str] | None = None, *, env_file: Path | None = _ENV_FILE
) -> Section: ...
@overload
def load_section(
    section: type[Any], environ: Mapping[str, str] | None = None, *, env_file: Path | None = _ENV_FILE
) -> Any: ...
def load_section(
    section: type[Any], environ: Mapping[str, str] | None = None, *, env_file: Path | None = _ENV_FILE
) -> Any:
    """Read one section alone, for a service that uses a single library of ours: `load_section(SmsSettings)`.

    Takes the same arguments and raises the same error as `load_settings`.
    """
    given, problems = gather(os.environ if environ is None else environ, env_file)
    draft, read_problems = read(declared(section), given)
    problems += read_problems
    problems += check_rules(draft)
    if section is Settings:  # whoever reads all is a process that calls others
        problems += check_surroundings(os.environ if environ is None else environ)
    if problems:
        raise ConfigurationError(problems)
    return _build(section, draft)


def gather(environ: Mapping[str, str], env_file: Path | None) -> tuple[dict[str, str], list[Problem]]:
    """Merge the environment with the file, where one may be read; white space around values is dropped."""
    given = {name: value.strip() for name, value in environ.items()}
    in_production = given.get(_env_name(given)) == AppEnv.PRODUCTION
    if env_file is None or in_production or not env_file.is_file():
        return given, []
    try:
        filed = {
            name: value.strip()
            for name, value in dotenv_values(env_file, interpolate=False, encoding="utf-8").items()
            if value is not None
        }
    except (OSError, UnicodeDecodeError):
        return given, [Problem(str(env_file), "cannot be read as a text file in UTF-8")]
    merged = {**filed, **given}
    problems = [
        Problem(name, f"must not be production in {env_file}: that file serves development and test; set it outside")
        for name in _ENV_NAMES
        if name not in given and filed.get(name) == AppEnv.PRODUCTION
    ]
    return merged, problems


def read(variables: Iterable[Declared], given: Mapping[str, str]) -> tuple[Draft, list[Problem]]:
    """Parse each variable; what cannot be parsed is a problem and stays out of the draft."""
    env, problems = _app_env(given)
    draft = Draft(env=env, values={}, given=frozenset(name for name, value in given.items() if value))
    for item in variables:
        name = item.variable.name
        if name == "APP_ENV":
            draft.values[name] = env
            continue
        text = given.get(name, "")
        if not text and not env.is_production and item.variable.development is not None:
            text = item.variable.development
        if text:
            try:
                draft.values[name] = item.variable.kind.parse(text)
            except ValueError as error:
                problems.append(Problem(name, str(error)))
        elif item.default is not ABSENT:
            draft.values[name] = item.default
        elif item.variable.development == "" and not env.is_production:
            draft.values[name] = item.variable.kind.empty
        else:
            problems.append(Problem(name, _missing(item)))
    derive(draft)
    return draft, problems


def _app_env(given: Mapping[str, str]) -> tuple[AppEnv, list[Problem]]:
    name = _env_name(given)
    text = given.get(name, "")
    if not text:
        return AppEnv.DEVELOPMENT, []
    try:
        return AppEnv(text), []
    except ValueError:
        options = ", ".join(AppEnv)
        return AppEnv.DEVELOPMENT, [Problem(name, f"must be one of {options}, not {shown(text)}")]


def _env_name(given: Mapping[str, str]) -> str:
    """Which of APP_ENV and NODE_ENV decides: the first that is set."""
    return next((name for name in _ENV_NAMES if given.get(name)), _ENV_NAMES[0])


def _build(section: type[Any], draft: Draft) -> Any:
    values: dict[str, Any] = {}
    names = {item.path: item.variable.name for item in declared(section)}
    for field in msgspec.structs.fields(section):
        inner = nested(field.type)
        if inner is not None:
            values[field.name] = _build(inner, draft)
        elif annotation(field.type, AppEnvironment) is not None:
            values[field.name] = draft.env
        else:
            values[field.name] = draft.values[names[field.name,]]
    return section(**values)


def _missing(item: Declared) -> str:
    said = f"{item.variable.help} {item.variable.production_note}".strip()
    return f"must be set in production. {said}"
