"""What is shown: for people and for programs, and never what steers a terminal."""

import csv
import io
import json
from typing import Any

import pytest

from singr_cli._clean import clean, to_json
from singr_cli._errors import refusal
from singr_cli._output import Output

EVIL = "\x1b]0;owned\x07\x9b31m\u202eevil\u2028\r\n\t\x00\x7f\ud800\U000e0041"


def unsafe(text: str) -> set[str]:
    """What no terminal may get, but for the line feeds that end lines."""
    return {character for character in text if not character.isprintable() and character != "\n"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_no_control_character_of_an_answer_reaches_the_terminal(form: str) -> None:
    stream = io.StringIO()
    output = Output(form, stream)
    item = {"id": EVIL, EVIL: {"a": [EVIL]}, "parts": [{"id": EVIL}]}
    output.items([item], ("id", "parts"))
    output.one(item, (("parts", ("id",)),))
    assert unsafe(stream.getvalue()) == set()
    assert "owned" in stream.getvalue()


def test_no_control_character_of_a_refusal_reaches_the_terminal() -> None:
    document = {"title": EVIL, "detail": EVIL, "type": EVIL, "request_id": EVIL,
                "errors": [{"field": EVIL, "message": EVIL, "location": EVIL}, EVIL]}  # fmt: skip
    assert unsafe(refusal(422, document).message) == set()


def test_what_is_cleaned_says_what_it_was() -> None:
    assert clean("a\x1b[1m\nb") == "a\\u001b[1m\\nb"


@pytest.mark.parametrize("indent", [None, 2])
def test_json_reads_as_it_was_sent(indent: int | None) -> None:
    value = {"name": EVIL.replace("\ud800", ""), "ä": ["ß", 1.5, None, True, {}]}
    assert json.loads(to_json(value, indent=indent)) == value


def test_markup_of_an_answer_is_text() -> None:
    stream = io.StringIO()
    Output("table", stream).items([{"id": "[red]x[/red] :smile:"}], ("id",))
    assert "[red]x[/red] :smile:" in stream.getvalue()


def test_a_table_is_for_terminals_and_lines_of_json_for_programs() -> None:
    assert Output(None, Terminal()).format == "table"
    assert Output(None, io.StringIO()).format == "jsonl"


def test_csv_has_the_columns_and_one_line_an_item() -> None:
    stream = io.StringIO()
    Output("csv", stream).items([{"id": "a,b", "error": {"code": "x"}}, {"id": None}], ("id", "error.code"))
    assert list(csv.reader(io.StringIO(stream.getvalue()))) == [["id", "error.code"], ["a,b", "x"], ["", ""]]


def test_a_list_as_json_is_one_array() -> None:
    stream = io.StringIO()
    Output("json", stream).items([{"id": 1}, {"id": 2}], ("id",))
    assert json.loads(stream.getvalue()) == [{"id": 1}, {"id": 2}]


def test_a_table_shows_the_parts_of_a_thing_below_it() -> None:
    stream = io.StringIO()
    item = {"id": "j1", "none": None, "attempts": [{"attempt": 1, "error": {"code": "refused"}}]}
    Output("table", stream).one(item, (("attempts", ("attempt", "error.code")),))
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert lines == [["id", "j1"], [], ["attempts"], ["ATTEMPT", "ERROR", "CODE"], ["1", "refused"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 3), (403, 3), (404, 4), (409, 1), (410, 4), (422, 2), (429, 5), (500, 5), (503, 5), (418, 1)],
)
def test_each_refusal_has_its_exit_status(status: int, code: int) -> None:
    assert refusal(status, {"title": "No", "detail": "not now"}).code == code


def test_a_refusal_is_told_in_sentences() -> None:
    document: dict[str, Any] = {
        "type": "https://singrkaraoke.com/problems/invalid", "title": "Invalid", "status": 422, "detail": "See errors.",
        "request_id": "r1", "errors": [{"field": "payload.to", "message": "must be a number", "location": "body"},
                                       {"field": "", "message": "must be JSON", "location": "body"}],
    }  # fmt: skip
    assert refusal(422, document).message.splitlines() == [
        "Invalid. See errors.",
        "  payload.to: must be a number",
        "  the body: must be JSON",
        "More: https://singrkaraoke.com/problems/invalid",
        "Request: r1",
    ]


def test_what_is_not_the_api_is_told_so() -> None:
    assert "is it the right one?" in refusal(200, None).message
    assert "is it the right one?" in refusal(404, ["not found"]).message


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "  =1"])
def test_no_text_is_a_formula_where_a_spreadsheet_opens_it(text: str) -> None:
    stream = io.StringIO()
    Output("csv", stream).items([{"id": text}], ("id",))
    Output("csv", stream).one({text: text})
    cells = [cell for row in csv.reader(io.StringIO(stream.getvalue())) for cell in row if cell != "id"]
    assert cells == [f"'{clean(text)}"] * 3


def test_a_number_in_csv_stays_a_number() -> None:
    stream = io.StringIO()
    Output("csv", stream).items([{"n": -1}], ("n",))
    assert stream.getvalue() == "n\n-1\n"
