"""The contract to the letter, and the typed stubs against the Slice files."""

import ast
import hashlib
import re
from pathlib import Path

from iceflix.contract import SLICE_FILES, SLICE_FOLDER, Ice, IceFlix
from tests.conftest import ROOT

# Whoever changes these files breaks clients that other people wrote.
FIXED = {
    "iceflix.ice": "58b75e9f2ecce288fbd21ddccaef1435c0c1c61f0afc15ce9a531ddfd6571aa2",
    "filtrado.idl": "39913d76448e85334aeb81091f421b208539caf657c49f2b5b6a7cd8f429aeb8",
}


def test_the_fixed_contracts_are_untouched() -> None:
    """The contracts that others speak are what they were."""
    for name, digest in FIXED.items():
        assert hashlib.sha256((SLICE_FOLDER / name).read_bytes()).hexdigest() == digest, name


def _slice_operations() -> dict[str, dict[str, list[str]]]:
    """Interface -> operation -> parameter names, read from the Slice files."""
    text = "\n".join((SLICE_FOLDER / name).read_text("utf-8") for name in SLICE_FILES)
    text = re.sub(r"//.*", "", text)
    interfaces: dict[str, dict[str, list[str]]] = {}
    bodies = re.findall(
        r"interface\s+(\w+)(?:\s+extends\s+\w+)?\s*\{(.*?)\n    \}", text, re.DOTALL
    )
    for name, body in bodies:
        operations = re.findall(r"(\w+)\(([^)]*)\)", body)
        interfaces[name] = {
            operation: [part.split()[-1] for part in parameters.split(",") if part.strip()]
            for operation, parameters in operations
        }
    return interfaces


def _stub_classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(ROOT / "typings/IceFlix/__init__.pyi").read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _functions(node: ast.ClassDef) -> dict[str, list[str]]:
    return {
        item.name: [argument.arg for argument in item.args.args[1:-1]]
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }


def test_the_stubs_say_what_the_slice_files_say() -> None:
    """Every operation, its parameters in their order; nothing more."""
    stubs = _stub_classes()
    for name, operations in _slice_operations().items():
        assert _functions(stubs[name]) == operations, name
        proxy = _functions(stubs[f"{name}Prx"])
        twice = {operation: names for operation, names in proxy.items() if operation in operations}
        assert twice == operations, name
        assert set(proxy) == {*operations, *(f"{operation}Async" for operation in operations)}


def test_the_loaded_module_has_what_the_stubs_promise() -> None:
    """Classes, fields and operations exist at run time."""
    for name, node in _stub_classes().items():
        loaded = getattr(IceFlix, name)
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and issubclass(loaded, Ice.ObjectPrx):
                assert hasattr(loaded, item.name), f"{name}.{item.name}"
        if any(isinstance(item, ast.AnnAssign) for item in node.body):
            fields = [
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
            assert set(fields) <= set(vars(loaded())), name
