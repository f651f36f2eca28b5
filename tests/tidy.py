"""The house rules that ruff, mypy and import-linter cannot express, as functions from a source text to findings.

A check gets a path relative to the root of the repository and the text of that file, and returns lines such as
``streamframe/plan/nodes.py:12: rewrite has 75 lines, at most 60``. `tests/test_tidy.py` runs them on the tree,
and each of them on a bad example.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

PURE_ZONE = ("api", "core", "engine", "operators", "plan", "serde", "state")
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 600

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_size(path: str, text: str) -> list[str]:
    """A module that outgrows the limit has become two nouns."""
    lines = text.count("\n")
    return [f"{path}:1: module has {lines} lines, at most {MODULE_LINES_MAX}"] if lines > MODULE_LINES_MAX else []


def module_docstring(path: str, text: str) -> list[str]:
    """A file says its own rules first."""
    return [] if ast.get_docstring(ast.parse(text)) else [f"{path}:1: module has no docstring"]


def function_size(path: str, text: str) -> list[str]:
    """A function fits on a screen; its docstring and decorators are not counted."""
    findings = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, Function):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            findings.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}")
    return findings


# --- names ----------------------------------------------------------------------------------------

BANNED_WORDS = frozenset({"manager", "helper", "helpers", "util", "utils", "info"})
BANNED_PREFIXES = ("do_", "handle_", "process_")
BANNED_FOR_MODULES_AND_CLASSES = frozenset({"common", "misc", "stuff"})
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def identifiers(path: str, text: str) -> list[str]:
    """Names come from the glossary: words that fit everything say nothing."""
    findings = []
    for kind, name, line in sorted(_definitions(path, ast.parse(text)), key=lambda found: found[2]):
        words = {word.lower() for word in WORD.findall(name)}
        bad = words & BANNED_WORDS
        if kind in ("module", "class"):
            bad |= words & BANNED_FOR_MODULES_AND_CLASSES
        if kind != "module" and name == "data":
            bad.add("data")
        # `do_GET` is how the standard library asks for it.
        if kind == "function" and name.lower() == name:
            bad |= {prefix for prefix in BANNED_PREFIXES if name.lstrip("_").startswith(prefix)}
            if "operators" in PurePosixPath(path).parts:
                bad.discard("process_")
        findings += [f"{path}:{line}: {kind} name {name!r} has the banned word {word!r}" for word in sorted(bad)]
    return findings


def _definitions(path: str, tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    for part in PurePosixPath(path).with_suffix("").parts:
        yield "module", part, 1
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield "class", node.name, node.lineno
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield "function", node.name, node.lineno
            case ast.arg():
                yield "parameter", node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield "variable", node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield "attribute", node.attr, node.lineno


# --- phrases --------------------------------------------------------------------------------------

BANNED_PHRASES = {
    r"\b(TODO|FIXME|XXX)\b": "finish it, or open an issue",
    r"\b(?i:this (PR|branch))\b": "a comment outlives the change that brought it",
    r"\b(?i:for now)\b": "say until when, or leave it out",
    r"(?<![\w.])/(home|root|work|Users)/\w": "a path that exists on one machine only",
}
BANNED_PHRASES_IN_CODE = {
    r"\bNotImplementedError\b": "what is not there has no name",
    r"\b(unittest\.mock|from unittest import mock|MagicMock)\b": "write a fake",
    r"\bpytest\.(mark\.)?(skip|skipif|importorskip|xfail)\b": "a test runs, or it goes",
}
INLINE_CODE = re.compile(r"`[^`\n]*`")


def phrases(path: str, text: str) -> list[str]:
    """No promises and no history in the text; in Markdown, code in backticks may quote a phrase."""
    banned = BANNED_PHRASES | (BANNED_PHRASES_IN_CODE if path.endswith(".py") else {})
    findings = []
    for number, line in enumerate(text.splitlines(), start=1):
        prose = INLINE_CODE.sub("", line) if path.endswith(".md") else line
        for pattern, advice in banned.items():
            if found := re.search(pattern, prose):
                findings.append(f"{path}:{number}: {found.group().strip()!r}: {advice}")
    return findings


# --- order ----------------------------------------------------------------------------------------

SET_TYPES = frozenset({"set", "frozenset", "Set", "AbstractSet", "MutableSet"})
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
ORDER_KEEPERS = frozenset({"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "dict", "array", "asarray"})
ORDER_BLIND = frozenset({"sorted", "set", "frozenset", "any", "all", "min", "max", "len"})


def set_iteration(path: str, text: str) -> list[str]:
    """The order of a set differs between runs, and with it everything that was decided in that order."""
    tree = ast.parse(text)
    blind = {id(argument) for node in ast.walk(tree) for argument in _arguments_of(node, ORDER_BLIND)}
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, Function))]
    attributes = {f"self.{name}" for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for name in _fields(node)}
    lines = set()
    for scope in scopes:
        known = _names_of_sets(scope, attributes)
        lines |= {node.lineno for node in _ordered_uses(scope, blind) if _is_set(node, known)}
    return [f"{path}:{line}: iterates over a set; sort it first" for line in sorted(lines)]


def _ordered_uses(scope: ast.AST, blind: set[int]) -> Iterator[ast.expr]:
    """The expressions whose order of iteration can be seen by somebody."""
    for node in _within(scope):
        match node:
            case ast.For() | ast.AsyncFor():
                yield node.iter
            case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() if id(node) not in blind:
                yield from (generator.iter for generator in node.generators)
            case ast.Starred(value=value):
                yield value
            case ast.Call(func=ast.Attribute(attr="join" | "extend" | "fromkeys")):
                yield from node.args
            case ast.Call(func=ast.Attribute(value=value, attr="pop"), args=[]):
                yield value
            case ast.Call() if id(node) not in blind:
                yield from _arguments_of(node, ORDER_KEEPERS)


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """Every node of a scope, without those of the functions defined in it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Function):
            yield child
            yield from _within(child)


def _names_of_sets(scope: ast.AST, attributes: set[str]) -> set[str]:
    known = set(attributes)
    if isinstance(scope, Function):
        parameters = [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]
        known |= {parameter.arg for parameter in parameters if _is_set_type(parameter.annotation)}
    for node in _within(scope):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if _is_set_type(annotation):
                known.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_set(value, known):
                known.add(name)
    return known


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Names of the attributes that a class declares, or fills in a method, as sets."""
    for child in ast.walk(node):
        match child:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name)) if _is_set_type(child.annotation):
                yield name
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value) if _is_set(value, set()):
                yield name


def _is_set_type(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Subscript(value=value):
            return _is_set_type(value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SET_TYPES
    return False


def _is_set(node: ast.expr, known: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in known
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return f"self.{name}" in known
        case ast.Call(func=ast.Name(id=name)):
            return name in SET_TYPES
        case ast.Call(func=ast.Attribute(attr=name, value=value)):
            return name in SET_METHODS and _is_set(value, known)
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left, known) or _is_set(right, known)
    return False


def _arguments_of(node: ast.AST, functions: frozenset[str]) -> list[ast.expr]:
    """The arguments, where the node is a call of one of the functions."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in functions:
            return arguments
    return []


# --- tests ----------------------------------------------------------------------------------------


def missing_test_file(path: str, text: str, test_files: frozenset[str]) -> list[str]:
    """A module of the pure zone that decides anything has a test file of its name."""
    parts = PurePosixPath(path).parts
    if len(parts) < 3 or parts[1] not in PURE_ZONE or parts[-1] == "__init__.py" or not _decides(ast.parse(text)):
        return []
    wanted = str(PurePosixPath("tests", *parts[1:-1], f"test_{parts[-1].lstrip('_')}"))
    return [] if wanted in test_files else [f"{path}:1: there is no {wanted}"]


def _decides(tree: ast.Module) -> bool:
    """Whether a function of the module does anything; protocols, frozen values and constants do not."""
    return any(
        not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for node in ast.walk(tree)
        if isinstance(node, Function)
        for statement in node.body
    )
