"""Changes to Python files that find their place by what the code means, not by how it is laid out."""

import ast
from collections.abc import Callable

Edit = Callable[[str], str]


class NoPlaceError(Exception):
    """A file is not of the form that an edit needs; the message says what is missing."""


def member(class_name: str, source: str, *, first: bool = False) -> Edit:
    """Add lines to a class: at its end, or before its first member."""

    def edit(text: str) -> str:
        body = _class(text, class_name).body
        start = body[1] if _is_docstring(body[0]) and len(body) > 1 else body[0]
        return _insert(text, start.lineno if first else (body[-1].end_lineno or 0) + 1, source)

    return edit


def before(name: str, source: str) -> Edit:
    """Add lines before the statement of a module that gives a name its meaning."""

    def edit(text: str) -> str:
        node = _definition(text, name)
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        return _insert(text, min([node.lineno, *(one.lineno for one in decorators)]), source)

    return edit


def item(name: str, source: str) -> Edit:
    """Add an item at the end of the list, tuple or dictionary that a name stands for, be it in a call."""

    def edit(text: str) -> str:
        literals = [node for node in ast.walk(_value(text, name)) if isinstance(node, ast.List | ast.Tuple | ast.Dict)]
        if not literals:
            raise NoPlaceError(f"{name} is no list")
        return _into(text, literals[0], source)

    return edit


def _definition(text: str, name: str) -> ast.stmt:
    for node in ast.parse(text).body:
        if _names(node) == name:
            return node
    raise NoPlaceError(f"it does not define {name}")


def _names(node: ast.AST) -> str | None:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return None


def _class(text: str, name: str) -> ast.ClassDef:
    node = _definition(text, name)
    if not isinstance(node, ast.ClassDef):
        raise NoPlaceError(f"{name} is no class")
    return node


def _value(text: str, name: str) -> ast.expr:
    node = _definition(text, name)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        raise NoPlaceError(f"{name} has no value")
    return node.value


def _into(text: str, literal: ast.List | ast.Tuple | ast.Dict, source: str) -> str:
    items = literal.values if isinstance(literal, ast.Dict) else literal.elts
    if not items:
        raise NoPlaceError("the list is empty")
    last = items[-1]
    return _splice(text, last.end_lineno or 0, last.end_col_offset or 0, f", {source}")


def _insert(text: str, line: int, source: str) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(line - 1, source.rstrip("\n") + "\n")
    return "".join(lines)


def _splice(text: str, line: int, column: int, source: str) -> str:
    """Put text in at a place as the parser counts it: columns in bytes."""
    lines = text.splitlines(keepends=True)
    old = lines[line - 1].encode()
    lines[line - 1] = (old[:column] + source.encode() + old[column:]).decode()
    return "".join(lines)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
