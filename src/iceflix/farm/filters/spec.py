"""What a filter's file says about itself, read from its syntax tree.

A filter is foreign code: nothing of it runs here. Only literals of the signature of ``apply`` and
docstrings are looked at::

    def apply(image: np.ndarray, radius: Annotated[float, (0.1, 50)] = 2.0) -> np.ndarray:

Types are int, float, bool and str; ``Annotated[type, (least, most)]`` gives bounds, and
``Literal[...]`` the words that a text may be. Every parameter has a default. ``WHOLE = True`` at
the top level asks for the transparency as well.
"""

import ast
import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from iceflix.farm.filters.parse import NAME
from iceflix.runtime.errors import InvalidRequest

MAX_CODE = 64 * 1024  # bytes
MAX_PARAMETERS = 16

Value = int | float | bool | str
_KINDS: dict[str, type[Value]] = {"int": int, "float": float, "bool": bool, "str": str}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True)
class Parameter:
    """A parameter: its type, default, and bounds or words (empty where there are none)."""

    name: str
    kind: type[Value]
    default: Value
    bounds: tuple[float, float] | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As tools show it: ``radius: float = 2.0 (0.1 .. 50)``."""
        text = f"{self.name}: {self.kind.__name__} = {self.default}"
        if self.bounds:
            text += f" ({self.bounds[0]:g} .. {self.bounds[1]:g})"
        return f"{text} ({', '.join(self.words)})" if self.words else text

    def read(self, text: str) -> Value:
        """Turn what somebody typed into a value. Raises ValueError with the rest of a sentence."""
        value: Value = text
        if self.kind is bool:
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError("must be yes or no")
            value = text.lower() in _TRUE
        elif self.kind is not str:
            try:
                value = self.kind(text)
            except ValueError as error:
                kind = "a whole number" if self.kind is int else "a number"
                raise ValueError(f"must be {kind}") from error
        self.check(value)
        return value

    def check(self, value: Value) -> None:
        """Raise ValueError, with the rest of a sentence, for a value that is out of bounds."""
        if self.words and value not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must be a finite number")
        if self.bounds and not isinstance(value, str):
            least, most = self.bounds
            if not least <= value <= most:
                raise ValueError(f"must lie between {least:g} and {most:g}")


@dataclass(frozen=True)
class FilterSpec:
    """A filter: name, docstring (the first line is the summary), parameters in order."""

    name: str
    documentation: str
    parameters: tuple[Parameter, ...]
    whole: bool = False
    sha256: str = ""

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.documentation.partition("\n")[0]

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Every parameter's value: what was given, else the default. Raises InvalidRequest."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise InvalidRequest(f"the filter {self.name} has no parameter {name}; {has}")
        result = {name: parameter.default for name, parameter in known.items()}
        for name, text in given.items():
            try:
                result[name] = known[name].read(text)
            except ValueError as error:
                raise InvalidRequest(
                    f"{name} of {self.name} {error}, not {text[:40]!r}; "
                    f"for example {self.name}:{name}={known[name].default}"
                ) from error
        return result


@functools.lru_cache(maxsize=256)  # nodes ask for every step of every task
def read_spec(name: str, code: bytes) -> FilterSpec:
    """Read a filter's file. Raises InvalidRequest with a sentence that says what is wrong where."""
    if not NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name[:40]!r} cannot be a filter's name; names are small letters, digits and _"
        )
    tree = _parse(name, code)
    functions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "apply"
    ]
    if len(functions) != 1:
        raise InvalidRequest(f"{name} must define one function: def apply(image, ...)")
    function = functions[0]
    if isinstance(function, ast.AsyncFunctionDef) or function.decorator_list:
        raise _bad(name, function, "apply must be a plain function, without async or decorators")
    documentation = ast.get_docstring(function) or ast.get_docstring(tree)
    if not documentation:
        raise _bad(name, function, "apply needs a docstring; its first line is shown in lists")
    return FilterSpec(
        name=name,
        documentation=documentation,
        parameters=_parameters(name, function),
        whole=_whole(tree),
        sha256=hashlib.sha256(code).hexdigest(),
    )


def _parse(name: str, code: bytes) -> ast.Module:
    if len(code) > MAX_CODE:
        raise InvalidRequest(f"{name} has {len(code)} bytes; a filter may have {MAX_CODE}")
    try:
        return ast.parse(code.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not text in UTF-8") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = getattr(error, "msg", None) or str(error)
        raise InvalidRequest(f"{name} is not Python: line {line}: {reason}") from error
    except (RecursionError, MemoryError) as error:
        raise InvalidRequest(f"{name} is nested too deeply to be read") from error


def _bad(name: str, node: ast.AST, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{name}, line {getattr(node, 'lineno', 1)}: {reason}")


def _whole(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "WHOLE" for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value is True
        for node in tree.body
    )


def _parameters(name: str, function: ast.FunctionDef) -> tuple[Parameter, ...]:
    given = function.args
    if given.vararg or given.kwarg or given.posonlyargs:
        raise _bad(name, function, "apply's parameters must be named; *, ** and / are not allowed")
    if not given.args or len(given.defaults) > len(given.args) - 1:
        raise _bad(name, function, "apply's first parameter is the image and has no default")
    named = given.args[1:]
    defaults = [None] * (len(named) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(named, defaults, strict=True)]
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    if len(pairs) > MAX_PARAMETERS:
        raise _bad(name, function, f"apply has more than {MAX_PARAMETERS} parameters")
    return tuple(_parameter(name, argument, default) for argument, default in pairs)


def _parameter(name: str, argument: ast.arg, default: ast.expr | None) -> Parameter:
    label = f"the parameter {argument.arg}"
    if not NAME.fullmatch(argument.arg):
        raise _bad(name, argument, f"{label} must be written in small letters, digits and _")
    if default is None:
        raise _bad(name, argument, f"{label} needs a default")
    try:
        value = ast.literal_eval(default)
        kind, bounds, words = _annotation(argument.annotation, value)
    except (ValueError, TypeError, SyntaxError, KeyError, IndexError, RecursionError) as error:
        raise _bad(
            name,
            argument,
            f"{label} needs a type and a default that are plain: "
            "int, float, bool, str, Annotated[float, (least, most)] or Literal[words]",
        ) from error
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise _bad(name, argument, f"the default of {argument.arg} is not of type {kind.__name__}")
    parameter = Parameter(argument.arg, kind, value, bounds, words)
    try:
        parameter.check(value)
    except ValueError as error:
        raise _bad(name, argument, f"the default of {argument.arg} {error}") from error
    return parameter


def _annotation(
    node: ast.expr | None, default: object
) -> tuple[type[Value], tuple[float, float] | None, tuple[str, ...]]:
    """Type, bounds and words of an annotation. Raises what literal_eval and indexing raise."""
    if node is None:
        return _KINDS[type(default).__name__], None, ()
    if isinstance(node, ast.Name):
        return _KINDS[node.id], None, ()
    if not isinstance(node, ast.Subscript):
        raise TypeError("not an annotation of a parameter")
    outer = node.value.attr if isinstance(node.value, ast.Attribute) else _name(node.value)
    if outer == "Literal":
        words = ast.literal_eval(node.slice)
        words = words if isinstance(words, tuple) else (words,)
        if not all(isinstance(word, str) for word in words):
            raise TypeError("not words")
        return str, None, words
    if outer != "Annotated" or not isinstance(node.slice, ast.Tuple):
        raise TypeError("not an annotation of a parameter")
    kind = _KINDS[_name(node.slice.elts[0])]
    least, most = ast.literal_eval(node.slice.elts[1])
    if kind not in (int, float) or float(least) > float(most):
        raise ValueError("not bounds")
    return kind, (float(least), float(most)), ()


def _name(node: ast.expr) -> str:
    if not isinstance(node, ast.Name):
        raise TypeError("not a name")
    return node.id
