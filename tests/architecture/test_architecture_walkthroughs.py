"""CONTRIBUTING's recipes, followed to the letter on a copy, end green; `make new` refuses what it cannot write."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from architecture.recipes import RECIPES, SECTIONS, Copy
from architecture.repository import ROOT

MakeNew = Callable[[Sequence[str], Path], int]


def content(copy: Copy) -> dict[str, bytes]:
    folders = [copy.folder / name for name in ("apps", "packages", "docs")]
    found = (path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {str(path): path.read_bytes() for path in found if path.is_file()}


class Untouched(Copy):
    """A copy that tests leave as it is, and what is in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.before = content(self)


@pytest.fixture
def make_new(monkeypatch: pytest.MonkeyPatch) -> MakeNew:
    """`make new …` in this process."""
    monkeypatch.syspath_prepend(ROOT)
    from scripts.new.__main__ import main  # noqa: PLC0415 — found only now, where pytest was not started as a module

    return main


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Untouched:
    return Untouched(tmp_path_factory.mktemp("copy") / "singr")


def test_every_recipe_of_the_page_is_followed_here() -> None:
    assert set(SECTIONS) == set(RECIPES)


@pytest.mark.timeout(900)
def test_all_recipes_together_pass_style_types_and_the_tests_that_see_them(tmp_path: Path) -> None:
    """One copy, and only the tests that see what was added.

    Types are checked where `make types` has run before, as in CI: 2 CPU-seconds, and 17 where it has not.
    """
    copy = Copy(tmp_path / "singr")
    for recipe in RECIPES.values():
        recipe.follow(copy)
    copy.check_style()
    if copy.types_are_known:
        copy.check_types()
    files = [file for recipe in RECIPES.values() for file in recipe.files]
    copy.test(*files, "-k", " or ".join(recipe.touched for recipe in RECIPES.values()))


@pytest.mark.full
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_alone_passes_style_types_and_every_suite_that_it_could_upset(name: str, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "singr")
    RECIPES[name].follow(copy)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):  # what the architecture tests list
        subprocess.run(command, cwd=copy.folder, check=True)
    copy.check_style()
    copy.check_types()
    this = f"--ignore={Path(__file__).relative_to(ROOT)}"  # the recipe is followed there already
    copy.test(*RECIPES[name].suites, this, workers=2)


REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "make new KIND NAME"),
    (("planet", "x"), "make new KIND NAME"),
    (("route",), "make new KIND NAME"),
    (("route", "Venues"), "such as venues"),
    (("route", "../venues"), "such as venues"),
    (("route", "class"), "such as venues"),
    *(
        (("route", name), "a word of Python's or of ours")
        for name in ("true", "none", "self", "str", "index", "exception", "match")
    ),
    (("route", "auth"), "/v1/auth is there already"),
    (("job", "list.close"), "a word of Python's"),
    (("template", "none"), "a word of Python's"),
    (("template", "message"), "would be called Message"),
    (("job", "context.job"), "would be called JobContext"),
    (("provider", "true"), "a word of Python's"),
    (("route", "v" * 41), "at most 40 characters"),
    (("route", "jobs"), "/v1/jobs is there already"),
    (("job", "close"), "such as venue.close"),
    (("job", "email.send"), "email.send is there already"),
    (("template", "venue-approved"), "such as venue_approved"),
    (("template", "welcome"), "messages/welcome is there already"),
    (("provider", "mailjet"), "already"),
    (("provider", "postbox", "fax"), "email or sms, not for 'fax'"),
)


def test_what_cannot_be_made_is_refused_with_a_reason(
    untouched: Untouched, capsys: pytest.CaptureFixture[str], make_new: MakeNew
) -> None:
    """All in one copy: what is in it is read once, after the last of them."""
    wrong = []
    for words, said in REFUSED:
        answer = make_new(words, untouched.folder), capsys.readouterr().err
        if answer[0] != 2 or said not in answer[1]:
            wrong.append((words, said, answer))
    assert wrong == []
    assert content(untouched) == untouched.before


def test_the_command_refuses_without_a_traceback(untouched: Untouched) -> None:
    done = untouched.make_new("planet", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "make new KIND NAME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_on_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "singr")
    copy.edit("scripts/export_openapi.py", lambda _: "raise SystemExit('no document today')\n")
    before = content(copy)
    done = copy.make_new("route", "venues")
    assert (done.returncode, "no document today" in done.stderr) == (2, True)
    assert content(copy) == before
    assert not (copy.folder / "apps/api/src/singr_api/venues").exists()


def test_a_file_of_another_form_is_named(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "singr")
    delivery = "packages/singr-config/src/singr_config/sections/_delivery.py"
    copy.edit(delivery, lambda text: text.replace("class EmailSettings", "class MailSettings"))
    done = copy.make_new("provider", "postbox")
    assert done.returncode == 2
    assert "_delivery.py cannot be changed by itself" in done.stderr
