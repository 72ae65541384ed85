"""No exception instance is raised twice: each raise adds a traceback, and its frames and connections stay in memory."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "server").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@cache
def trees() -> dict[Path, ast.Module]:
    """The syntax trees of the server. Not when the file is collected: each test process does that."""
    return {path: ast.parse(path.read_text()) for path in FILES}


@cache
def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """All nodes of a syntax tree: to walk through it takes longer than to look at each."""
    return list(ast.walk(tree))


def name_of(node: ast.expr | None) -> str:
    """The last part of a dotted name; an empty text for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@cache
def exception_names() -> set[str]:
    """The names of all exceptions: Python's own, and the classes of the server that derive from one."""
    names = {n for n, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
    classes = [node for tree in trees().values() for node in nodes_of(tree) if isinstance(node, ast.ClassDef)]
    while found := {c.name for c in classes if c.name not in names and any(name_of(base) in names for base in c.bases)}:
        names |= found
    return names


def makes_exception(node: ast.AST | None) -> bool:
    """Whether an expression is the call of an exception class."""
    return isinstance(node, ast.Call) and name_of(node.func) in exception_names()


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """What runs once, when a module is imported: module and class bodies, and the defaults of parameters."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            for default in (*child.args.defaults, *child.args.kw_defaults):
                if default is not None:
                    yield default
                    yield from outside_functions(default)
        else:
            yield child
            yield from outside_functions(child)


def kept_instances(tree: ast.Module) -> Iterator[ast.AST]:
    """Exceptions that live as long as their module or class."""
    return (node for node in outside_functions(tree) if makes_exception(node))


def raised_attributes(tree: ast.Module) -> Iterator[ast.AST]:
    """`raise self.error`, `raise _ERRORS[code]`: what an object or a table keeps can be raised again."""
    caught = {handler.name for handler in nodes_of(tree) if isinstance(handler, ast.ExceptHandler)}
    for node in nodes_of(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Attribute | ast.Subscript):
            root: ast.expr = node.exc
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            # `raise typer.Exit` names a class; a part of a group that was just caught is raised once.
            is_class = re.fullmatch(r"[A-Z]\w*[a-z]\w*", name_of(node.exc))
            if not is_class and name_of(root) not in caught:
                yield node


def given_to_many(tree: ast.Module) -> Iterator[ast.AST]:
    """An exception that is made, or taken as a parameter, outside a loop and given away inside it."""
    for function in nodes_of(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        inside = list(ast.walk(function))
        loops = [node for node in inside if isinstance(node, LOOPS)]
        if not loops:
            continue
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        kept = {one.arg for one in arguments if one.annotation and exception_names() & set(names_in(one.annotation))}
        in_loops = {id(node) for loop in loops for node in ast.walk(loop)}
        for node in inside:
            if (
                isinstance(node, ast.Assign | ast.AnnAssign)
                and makes_exception(node.value)
                and id(node) not in in_loops
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                kept |= {name_of(target) for target in targets}
        for loop in loops:
            for call in (node for node in ast.walk(loop) if isinstance(node, ast.Call)):
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                parts = [part for one in given for part in (one.values if isinstance(one, ast.BoolOp) else [one])]
                if name_of(call.func) not in {"isinstance", "str"} and any(
                    isinstance(part, ast.Name) and part.id in kept for part in parts
                ):
                    yield call


def names_in(annotation: ast.expr) -> list[str]:
    """The names in the type of a parameter, those in type[…] and Callable[…] left out."""
    if isinstance(annotation, ast.BinOp):
        return names_in(annotation.left) + names_in(annotation.right)
    return [name_of(annotation)]


@pytest.mark.parametrize("find", [kept_instances, raised_attributes, given_to_many], ids=lambda find: find.__name__)
def test_no_exception_is_shared(find: object) -> None:
    """Each raise and each waiter gets an exception of its own."""
    assert callable(find)
    found = [f"{path.relative_to(ROOT)}:{node.lineno}" for path, tree in trees().items() for node in find(tree)]
    assert found == [], "make the exception where it is raised, once for each waiter"


@pytest.mark.parametrize(
    ("find", "source"),
    [
        (kept_instances, "ENDS = {1: Refused('a', 'b')}"),
        (kept_instances, "class A:\n    end = ValueError()"),
        (kept_instances, "def f(end=ValueError()): ..."),
        (raised_attributes, "def f(self):\n    raise self.error"),
        (raised_attributes, "def f():\n    raise ENDS[1] from None"),
        (given_to_many, "def f(waiters, error: Refused | None):\n    for one in waiters:\n        one.refused(error)"),
        (
            given_to_many,
            "def f(casts):\n    end = Refused('a', 'b')\n    for one in casts:\n        one.refuse(end or None)",
        ),
    ],
)
def test_a_shared_exception_is_found(find: object, source: str) -> None:
    """The rule finds each way in which an instance can be raised again."""
    assert callable(find)
    assert list(find(ast.parse(source)))
