"""Which modules of a package use which, however they name them: the graph that the architecture's tests walk.

Beyond plain imports it follows aliases, attributes of packages (`data.test_split`), names that a package hands out
lazily, relative imports, and strings that name a module (`importlib.import_module("tutelage.data.splits")`), also where
only their beginning is written down: f"tutelage.methods.{name}" may be any module that begins so.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

DYNAMIC = {"import_module", "__import__"}
EVALUATING = {"eval", "exec"}


class Package:
    """A package's modules and what each uses.

    Args:
        folder: Of the package.
        lazy: By public name of the package, the module (without the package's name) that has it.
    """

    def __init__(self, folder: Path, lazy: dict[str, str]):
        self.name = folder.name
        self.lazy = {name: f"{self.name}.{module}" for name, module in lazy.items()}
        files = sorted(folder.rglob("*.py"))
        self.modules = {_dotted(file.relative_to(folder.parent)): file for file in files}
        self.uses = {module: self._used_by(module) for module in self.modules}

    def reached(self, module: str) -> dict[str, str]:
        """Every module that one uses, directly or through others, and through which it was first met."""
        met, waiting = {module: ""}, [module]
        for current in waiting:
            for other in sorted(self.uses[current] - met.keys()):
                met[other] = current
                waiting.append(other)
        return met

    def way(self, start: str, end: str) -> str:
        """How one module comes to use another, in words; empty where it does not."""
        met = self.reached(start)
        names = [end] if end in met else []
        while names and names[-1] != start:
            names.append(met[names[-1]])
        return " -> ".join(reversed(names))

    def opaque(self, module: str) -> list[str]:
        """Imports and evaluations of strings of which not even a beginning is written down."""
        found = []
        for node in ast.walk(self.tree(module)):
            if not isinstance(node, ast.Call):
                continue
            imports = _chain(node.func)[-1] in DYNAMIC
            if imports and not (node.args and (_text(node.args[0]) or "").strip(".\0")):
                found.append(f"{module} imports {ast.unparse(node.args[0]) if node.args else 'something'}")
            if isinstance(node.func, ast.Name) and node.func.id in EVALUATING:
                found.append(f"{module} evaluates a string")
        return found

    def tree(self, module: str) -> ast.Module:
        """Its source, parsed."""
        return ast.parse(self.modules[module].read_text())

    def words(self, module: str) -> set[str]:
        """Every name, attribute and imported name in it, and every string that could be one."""
        found: set[str] = set()
        for node in ast.walk(self.tree(module)):
            found |= {getattr(node, field, "") for field in ("id", "attr")}
            found |= {node.name} if isinstance(node, ast.alias) else {_text(node) or ""}
        return found

    def _used_by(self, module: str) -> set[str]:
        tree, bound = self.tree(module), {}
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found |= self._named(alias.name)
                    bound[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                source = self._source(module, node)
                for alias in node.names:
                    found |= (
                        self._beginning(f"{source}.") if alias.name == "*" else self._named(f"{source}.{alias.name}")
                    )
                    bound[alias.asname or alias.name] = f"{source}.{alias.name}"
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) for part in _parts(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                root, *attributes = _chain(node)
                if root in bound:
                    found |= self._named(".".join([bound[root], *attributes]))
            elif id(node) not in docstrings and id(node) not in parts and (text := _text(node)):
                found |= self._in_text(module, text)
        return found - {module}

    def _source(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        inside = module.split(".")
        if self.modules[module].name != "__init__.py":
            inside.pop()
        return ".".join([*inside[: len(inside) - node.level + 1], *filter(None, [node.module])])

    def _named(self, dotted: str) -> set[str]:
        """The modules that importing or looking up a dotted name runs, packages on the way included."""
        words = dotted.split(".")
        if words[0] != self.name:
            return set()
        if len(words) > 1 and (handed := self.lazy.get(words[1])):
            return self._named(handed)
        ways = {".".join(words[:length]) for length in range(2, len(words) + 1)} & self.modules.keys()
        unknown = len(words) > 1 and not ways and not words[1].startswith("__")
        # What the whole package hands out under a name that nobody knows may be anything.
        return {self.name} if unknown else ways

    def _beginning(self, text: str) -> set[str]:
        return {name for name in self.modules if name.startswith(text)}

    def _in_text(self, module: str, text: str) -> set[str]:
        """What a string names: a module in full, the beginning of one, or the last part of one."""
        whole = text.rstrip("\0")
        if re.fullmatch(r"\.+[\w.]+", whole):
            return {name for name in self.modules if name.endswith("." + whole.strip("."))}
        if whole.startswith(f"{self.name}."):
            literal = re.match(r"[\w.]*", whole)[0]  # ty: ignore[not-subscriptable]
            begun = literal != text
            return self._beginning(literal) if begun else self._named(literal)
        last = {name for name in self.modules if "_" in whole.strip("_") and name.rpartition(".")[2] == whole}
        return last | {name for name in self.modules if "." in whole and name.endswith(f".{whole}")}


def _dotted(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def _chain(node: ast.expr) -> list[str]:
    """a.b.c as its words; the root is empty where it is no name."""
    words = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    return [getattr(node, "id", ""), *reversed(words)]


def _text(node: ast.AST) -> str | None:
    """A string as far as it is written down; "\\0" at its end where more follows."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        text = ""
        for part in node.values:
            if not isinstance(part, ast.Constant):
                return text + "\0" if text else None
            text += str(part.value)
        return text
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        left, right = _text(node.left), _text(node.right)
        if left is None or left.endswith("\0"):
            return left
        if isinstance(node.op, ast.Mod):
            return left.partition("%")[0] + "\0"
        return left + ("\0" if right is None else right)
    return None


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The strings that a longer string is made of: they are not looked at again."""
    if isinstance(node, ast.JoinedStr):
        yield from (part for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.BinOp) and _text(node) is not None:
        yield from (node.left, node.right)
