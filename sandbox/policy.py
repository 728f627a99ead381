"""The dialect as a RestrictedPython policy: decides at compile time what a controller may say.

Attribute names are literals in the source, so all but attribute stores is settled here and costs nothing when the
code runs. Stock RestrictedPython would instead turn every access into a call of a guard.
"""

import ast
from collections.abc import Iterable
from typing import Any

from RestrictedPython.transformer import RestrictingNodeTransformer, copy_locations

from sandbox.dataclass_expansion import POST_INIT, expand_dataclass
from sandbox.dialect import describe_dialect
from sandbox.namespace import BUILTIN_NAMES, MODULES
from sandbox.rules import (
    MAX_DEPTH,
    MAX_NODES,
    READABLE_SPECIAL_ATTRIBUTES,
    SPECIAL_METHODS,
    UNCATCHABLE,
    attribute_refusal,
    name_refusal,
)

__all__ = ["ControllerPolicy", "describe_dialect"]

REQUIRED_FUNCTIONS = {"schedule": "schedule(beta)", "control": "control(episode, p)"}

_STATEMENTS = {
    "AsyncFunctionDef": "async functions are not allowed; write a plain function",
    "Await": "await is not allowed; calls of the episode return at once",
    "AsyncFor": "async for is not allowed; write a plain loop",
    "AsyncWith": "with is not allowed; nothing here needs closing",
    "With": "with is not allowed; nothing here needs closing",
    "TryStar": "except* is not allowed; write except",
    "TypeAlias": "type aliases by statement are not allowed; leave the type out",
    "TemplateStr": "template strings are not allowed; write an f-string",
    "MatchClass": "class patterns are not allowed in match; write isinstance(...) in an if",
}


class ControllerPolicy(RestrictingNodeTransformer):
    """Walks a module, collects refusals in `errors` and rewrites the little that has to be checked as it runs."""

    def __init__(
        self,
        errors: list[str] | None = None,
        warnings: list[str] | None = None,
        used_names: dict[str, bool] | None = None,
    ) -> None:
        super().__init__(errors, warnings, used_names)
        self._bound: set[str] = set()
        self._loaded: dict[str, ast.AST] = {}
        self._in_class_body = False
        self.dataclass_fields: dict[str, Any] = {}

    def error(self, node: ast.AST, info: str) -> None:
        """Records a refusal, with its line."""
        self.errors.append(f"line {getattr(node, 'lineno', 1)}: {info}")

    def not_allowed(self, node: ast.AST) -> None:
        """Refuses a kind of statement or expression."""
        kind = type(node).__name__
        self.error(node, _STATEMENTS.get(kind, f"{kind} is not part of the dialect"))

    def check_name(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:
        """Refuses a name that a variable may not have."""
        if name is None or (allow_magic_methods and self._in_class_body and name in SPECIAL_METHODS):
            return
        if name.startswith("__") and allow_magic_methods and self._in_class_body:
            self.error(node, f'the special method "{name}" is not allowed')
        elif refusal := name_refusal(name):
            self.error(node, refusal)

    def check_attribute(self, node: ast.AST, name: str) -> None:
        """Refuses a name that an attribute may not have."""
        if refusal := attribute_refusal(name):
            self.error(node, refusal)

    def bind(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:
        """Checks a name that the source gives to something."""
        self.check_name(node, name, allow_magic_methods)
        if name:
            self._bound.add(name)

    # Names, attributes and items.

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            if node.id == "super":
                self.error(node, "super is only allowed as super(), without arguments")
            if node.id != "__name__":
                self._loaded.setdefault(node.id, node)
                self.check_name(node, node.id)
        else:
            self.bind(node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        reads = isinstance(node.ctx, ast.Load)
        if reads and node.attr == "format":
            self.error(node, 'format is only allowed as a call, as in "{:.2f}".format(x); an f-string does the same')
        elif not (reads and _is_special_form(node)):
            self.check_attribute(node, node.attr)
        node.value = self.visit(node.value)
        if not reads:
            node.value = _guarded(node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._contents(node)

    # Loops and assignments: nothing of them needs a check but attribute stores, see visit_Attribute.

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._contents(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.is_async:
            self.error(node.target, "async comprehensions are not allowed")
        return self._contents(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target = node.targets[0]
        if self._in_class_body and isinstance(target, ast.Name) and target.id == "__slots__":
            self._check_slots(node)
            node.targets[1:] = map(self.visit, node.targets[1:])
            return node
        return self._contents(node)

    def _check_slots(self, node: ast.Assign) -> None:
        names = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
        for name in names:
            if isinstance(name, ast.Constant) and type(name.value) is str:
                self.check_attribute(node, name.value)
            else:
                self.error(node, '__slots__ must be a literal tuple of names, as in ("total", "count")')

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self._contents(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Drops the annotation, unevaluated: `x: int = 3` becomes `x = 3`, `x: int` nothing."""
        if node.value is None:
            if isinstance(node.target, ast.Name):
                self.check_name(node, node.target.id)
            return ast.copy_location(ast.Pass(), node)
        plain = ast.Assign(targets=[node.target], value=node.value)
        copy_locations(plain, node)
        return self.visit(plain)  # type: ignore[no-any-return]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        return self._contents(node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        for name in node.names:
            self.bind(node, name)
        return node

    # Calls.

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if _is_super_call(node):
            return node
        if isinstance(function, ast.Name) and function.id == "type" and not _is_one_plain_argument(node):
            self.error(node, "type takes exactly one argument here, as in type(x)")
        if isinstance(function, ast.Attribute) and function.attr == "format":
            checked = ast.Call(ast.Name("@format", ast.Load()), [function.value, *node.args], node.keywords)
            copy_locations(checked, node)
            checked.args = [self.visit(argument) for argument in checked.args]
            checked.keywords = [self.visit(keyword) for keyword in checked.keywords]
            return checked
        return self._contents(node)

    # Functions and classes.

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        self.bind(node, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.bind(node, node.name, allow_magic_methods=True)
        node.returns = None
        _drop_type_parameters(node)
        return self._body_of(node, is_class=False)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._contents(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.bind(node, node.name)
        if node.keywords:
            self.error(node, "class keywords such as metaclass=... are not allowed")
        for base in node.bases:
            if not isinstance(base, ast.Name | ast.Attribute | ast.Subscript):
                self.error(base, "a base class must be a plain name")
            if _last_name(base) in ("NamedTuple", "TypedDict", "Protocol", "Enum"):
                self.error(node, f"{_last_name(base)} classes are not allowed; use @dataclass or namedtuple(...)")
        node.bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        _drop_type_parameters(node)
        expand_dataclass(self, node)
        return self._body_of(node, is_class=True)

    def _body_of(self, node: ast.FunctionDef | ast.ClassDef, is_class: bool) -> ast.AST:
        """Decorators, defaults and bases belong to the scope outside, which makes no difference to the rules."""
        outside, self._in_class_body = self._in_class_body, is_class
        visited = self._contents(node)
        self._in_class_body = outside
        return visited

    # Exceptions.

    def visit_Try(self, node: ast.Try) -> ast.AST:
        for statement in node.finalbody:
            for leaving in _leaves_finally(statement):
                self.error(leaving, "return, break, continue and yield may not leave a finally; put them after the try")
        return self._contents(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """A bare `except:` means `except Exception:`."""
        if node.name:
            self.bind(node, node.name)
        bare = node.type is None
        visited = self._contents(node)
        if bare:
            node.type = ast.copy_location(ast.Name("@Exception", ast.Load()), node)
        return visited

    def visit_With(self, node: ast.With) -> ast.AST:
        self.not_allowed(node)
        return node

    # Imports.

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            self._check_module(node, alias.name)
            self.bind(node, alias.asname or alias.name.partition(".")[0])
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module == "__future__":
            if any(alias.name != "annotations" for alias in node.names):
                self.error(node, "from __future__ only annotations can be imported")
            return ast.copy_location(ast.Pass(), node)
        self._check_module(node, "." * node.level + (node.module or ""))
        members = MODULES.get(node.module or "", {})
        for alias in node.names:
            if members and alias.name not in members:
                offer = ", ".join(sorted(members))
                self.error(node, f'"{alias.name}" of {node.module} is not available; there are {offer}')
            self.bind(node, alias.asname or alias.name)
        return node

    def _check_module(self, node: ast.Import | ast.ImportFrom, module: str) -> None:
        if getattr(node, "is_lazy", 0):
            self.error(node, "lazy imports are not allowed")
        if module not in MODULES:
            self.error(node, f'the module "{module}" is not available; there are {", ".join(sorted(MODULES))}')

    # Match: all patterns but those of classes, which look attributes up by name.

    def _allowed(self, node: ast.AST) -> ast.AST:
        return self._contents(node)

    visit_Match = visit_match_case = visit_MatchValue = visit_MatchSingleton = _allowed
    visit_MatchSequence = visit_MatchOr = _allowed

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        self.bind(node, node.name)
        return self._contents(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        self.bind(node, node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        self.bind(node, node.rest)
        return self._contents(node)

    # The module as a whole.

    def visit_Module(self, node: ast.Module) -> ast.AST:
        if too_large := _too_large(node):
            self.error(too_large, f"the source is too large: at most {MAX_NODES} nodes, nested {MAX_DEPTH} deep")
            return node
        self._check_required(node)
        visited = self._contents(node)
        for name, place in self._loaded.items():
            if name not in self._bound and name not in BUILTIN_NAMES and not name_refusal(name):
                hint = "; it would catch the time limit, write except Exception" if name in UNCATCHABLE else ""
                self.error(place, f'the name "{name}" is not defined, or not available here{hint}')
        return visited

    def _check_required(self, module: ast.Module) -> None:
        defined = set(_module_names(module))
        for name, form in REQUIRED_FUNCTIONS.items():
            if name not in defined:
                self.errors.append(f"line 1: the function {form} is missing; define it at the top level")

    def _contents(self, node: ast.AST) -> ast.AST:
        return self.node_contents_visit(node)


def _guarded(base: ast.expr) -> ast.expr:
    """The object whose attribute is stored, checked: of an own class, or whatever the guard lets through."""
    guard = ast.Call(ast.Name("@guard", ast.Load()), [base], [])
    checked: ast.expr = guard
    if isinstance(base, ast.Name):
        kind = ast.Call(ast.Name("@type", ast.Load()), [base], [])
        is_own = ast.Compare(kind, [ast.In()], [ast.Name("@user", ast.Load())])
        checked = ast.IfExp(is_own, base, guard)
    copy_locations(checked, base)
    return checked


def _is_special_form(node: ast.Attribute) -> bool:
    return (
        node.attr in READABLE_SPECIAL_ATTRIBUTES
        or (node.attr in SPECIAL_METHODS and _is_super_call(node.value))
        or getattr(node, "made_by", None) is POST_INIT
    )


def _is_super_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "super"
        and not (node.args or node.keywords)
    )


def _is_one_plain_argument(node: ast.Call) -> bool:
    return len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred)


def _last_name(base: ast.AST) -> str:
    return str(getattr(base, "id", getattr(base, "attr", "")))


def _drop_type_parameters(node: ast.FunctionDef | ast.ClassDef) -> None:
    if hasattr(node, "type_params"):
        node.type_params = []


def _module_names(module: ast.Module) -> Iterable[str]:
    """The names that the module scope defines, also inside its ifs, loops and tries."""
    waiting: list[ast.AST] = list(module.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _leaves_finally(statement: ast.AST, in_loop: bool = False) -> Iterable[ast.AST]:
    """What would leave or suspend a finally block, and so drop the exception that is on its way."""
    if isinstance(statement, ast.Return | ast.Yield | ast.YieldFrom):
        yield statement
    elif isinstance(statement, ast.Break | ast.Continue):
        if not in_loop:
            yield statement
    elif not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Lambda):
        body = statement.body if isinstance(statement, ast.For | ast.While) else []
        for child in ast.iter_child_nodes(statement):
            yield from _leaves_finally(child, in_loop or child in body)


def _too_large(module: ast.Module) -> ast.AST | None:
    """A node beyond the limits, if there is one."""
    count = 0
    waiting: list[tuple[ast.AST, int]] = [(module, 0)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            return node
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return None
