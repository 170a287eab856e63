"""Code search: the first sentence of a function's documentation -> its name and parameters. BSD licenses."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from sources.fetch import wheel
from sources.layout import Pair, PairSet, key

_PACKAGES = {"scipy": "1.17.1", "scikit-learn": "1.9.1", "pandas": "3.1.1", "sympy": "1.14.0", "networkx": "3.6.1"}
_FOLDERS = {"scikit-learn": "sklearn"}
_ROLE = re.compile(r":[a-zA-Z:]+:`~?([^`<]*?)\s*(?:<[^`]*>)?`")
_MARK = re.compile(r"``([^`]*)``|\*\*([^*\n]+)\*\*|`([^`]+)`_?")
_SENTENCE = re.compile(r"(.+?[.!?])(\s|$)", re.DOTALL)
_WORDS = 4  # a shorter sentence says too little to ask by
_PARAMETERS = 8


def build(work: Path) -> PairSet:
    """The whole data set."""
    documents: dict[str, str] = {}
    pairs = []
    for name, version in _PACKAGES.items():
        root = wheel(work, name, version)
        folder = root / _FOLDERS.get(name, name)
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if "tests" in parts or any(part.startswith("_") and part != "__init__" for part in parts[:-1]):
                continue
            for function, asked in _functions(ast.parse(path.read_text(encoding="utf-8")), ""):
                text = f"{'.'.join(part for part in parts if part != '__init__')}.{function}"
                documents.setdefault(text, text)
                pairs.append(Pair(asked, text, ".".join(parts[:-1]) + "." + function.split("(")[0], name))
    seen: set[str] = set()
    # One sentence above many functions (an inherited one, an alias) asks for none of them.
    often = {query for pair in pairs if (query := key(pair.query)) in seen or seen.add(query)}
    return PairSet(
        name="docstrings",
        source=", ".join(f"{name}=={version}" for name, version in _PACKAGES.items()) + " (Python packages)",
        license="BSD-3-Clause",
        pairs=[pair for pair in pairs if key(pair.query) not in often],
        documents=documents,
        test_queries=2_000,
    )


def _functions(tree: ast.AST, above: str) -> Iterator[tuple[str, str]]:
    """Name with parameters, and the first sentence, of what is public."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        name = f"{above}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{name}.")
            continue
        sentence = _first_sentence(ast.get_docstring(node) or "")
        if len(sentence.split()) >= _WORDS:
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in ("self", "cls")]
            yield f"{name}({', '.join(names[:_PARAMETERS])})", sentence


def _first_sentence(documentation: str) -> str:
    paragraph = " ".join(documentation.split("\n\n")[0].split())
    plain = _MARK.sub(lambda match: next(filter(None, match.groups())), _ROLE.sub(r"\1", paragraph))
    found = _SENTENCE.match(plain + " ")
    return found.group(1) if found else plain
