"""Runs a Python file of the user's own: the one way in which code that is not ours is run, named by its path.

Its imports find what lies beside it, as those of `python FILE` do, at any time and for it alone: two files may each
have a `helper` of their own, and neither stays behind in `sys.modules` or `sys.path`.
"""

import ast
import builtins
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from tutelage import files
from tutelage.errors import UserError, unknown

SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".txt", ".csv", ".xml")
"""Endings of files that hold what code computes with."""
loaded: set[Path] = set()
"""The files that were run, and those they imported from beside them: an exception there is no fault of ours."""


def load(name: str) -> Any:
    """The object that `FILE.py:NAME` names; the file is run, and finds the modules beside it.

    Raises:
        UserError: no such file, the file fails to run, or it does not define NAME.
    """
    file, _, attribute = name.rpartition(":")
    path = _file(name)
    try:
        module = _Beside(path.parent).run(path)
    except Exception as error:
        raise UserError(f"{file} fails when imported: {type(error).__name__}: {error}", "mend the file") from error
    if not hasattr(module, attribute):
        raise unknown(f"name in {file}", attribute, [known for known, value in vars(module).items() if callable(value)])
    return getattr(module, attribute)


def digest(name: str) -> str:
    """SHA-256 of what the file of `FILE.py:NAME` computes: its code and that of every module beside it that it imports.

    Files of settings (`SETTINGS`) beside it that this code names as text count, too. What it reads by another way (the
    environment, a path put together) is not seen. Comments, docstrings and layout do not count.

    Raises:
        UserError: no such file.
    """
    path = _file(name)
    return files.digest({str(file.relative_to(path.parent)): _meaning(file) for file in _sources(path)})


def _file(name: str) -> Path:
    file = name.rpartition(":")[0]
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"there is no file {file} for {name}", "write it as FILE.py:NAME")
    return path.absolute()


class _Beside(MetaPathFinder):
    """Finds, loads and keeps the modules of one folder for the files of that folder alone."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.modules: dict[str, ModuleType] = {}
        self.visible: set[str] = set()
        """The packages and modules of the folder that are in `sys.modules` right now."""

    def run(self, path: Path) -> ModuleType:
        """The module of a file."""
        loader = _Loader(path.stem, str(path), self)
        spec = spec_from_loader(path.stem, loader)
        assert spec is not None
        module = module_from_spec(spec)
        with self._shown(path.stem, module):  # dataclasses look their module up
            loader.exec_module(module)
        return module

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A module of the folder; None: it is elsewhere."""
        if path is not None and fullname.partition(".")[0] not in self.visible:
            return None  # a part of an installed package that a file of the folder imports
        for ours in (BuiltinImporter, FrozenImporter):
            if path is None and ours.find_spec(fullname) is not None:
                return None
        spec = PathFinder.find_spec(fullname, [str(self.folder)] if path is None else path)
        if spec is None or (spec.origin is None and path is None and PathFinder.find_spec(fullname) is not None):
            return None  # a folder without __init__.py comes after every installed package
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, str(spec.origin), self)
        return spec

    def bring(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """In place of `__import__`, in the files of the folder."""
        package = (globals or {}).get("__package__") or "" if level else name
        top = package.partition(".")[0]
        if not top or top in self.visible or self.find_spec(top) is None:
            return builtins.__import__(name, globals, locals, fromlist, level)
        with self._shown(top):
            return builtins.__import__(name, globals, locals, fromlist, level)

    @contextmanager
    def _shown(self, top: str, module: ModuleType | None = None) -> Generator[None]:
        """Inside the block `sys.modules` has the folder's module of that name, and what is in it, and no other."""
        hidden = {name: sys.modules.pop(name) for name in _family(top)}
        sys.modules.update({top: module} if module else {n: m for n, m in self.modules.items() if _within(n, top)})
        self.visible.add(top)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self.visible.discard(top)
            found = {name: sys.modules.pop(name) for name in _family(top)}
            if module is None:
                self.modules |= found
            sys.modules.update(hidden)


class _Loader(SourceFileLoader):
    """Runs a file whose imports, also those that it makes later, are `_Beside.bring`."""

    def __init__(self, name: str, path: str, beside: _Beside):
        super().__init__(name, path)
        self.beside = beside

    def get_code(self, fullname: str) -> Any:
        """Compiled anew: a file that changed within a second has the same time in its .pyc."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        """Runs it."""
        loaded.add(Path(self.path).resolve())
        vars(module)["__builtins__"] = vars(builtins) | {"__import__": self.beside.bring}
        super().exec_module(module)


def _family(top: str) -> list[str]:
    inside = f"{top}."
    return [name for name in sys.modules if name == top or name.startswith(inside)]


def _within(name: str, top: str) -> bool:
    return name == top or name.startswith(f"{top}.")


def _sources(path: Path) -> list[Path]:
    """The file, every local module that it imports, they import, and so on, and the settings that these name."""
    found, waiting = {path}, [path]
    while waiting:
        file = waiting.pop()
        new = set(_imported(file, path.parent)) - found
        found |= new | set(_settings(file, path.parent))
        waiting += new
    return sorted(found)


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """The files below `root` that a file's imports may run, wherever in it they stand."""
    package = file.parent.relative_to(root).parts
    for node in ast.walk(_tree(file) or ast.Module([], [])):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            names = [base, *((*base, alias.name) for alias in node.names)]
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):  # import_module("helper")
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                names = [tuple(named.value.split("."))]
        for name in names:
            for end in range(1, len(name) + 1):
                place = root.joinpath(*name[:end])
                yield from (f for f in (place.with_suffix(".py"), place / "__init__.py") if name and f.is_file())


def _settings(file: Path, root: Path) -> Iterator[Path]:
    """The files of settings below `root` that a text in a file's code names, as they are seen from either folder."""
    for node in ast.walk(_tree(file) or ast.Module([], [])):
        named = node.value if isinstance(node, ast.Constant) else None
        if isinstance(named, str) and named.lower().endswith(SETTINGS) and "\n" not in named and ".." not in named:
            places = (folder / named for folder in (root, file.parent))
            yield from (place for place in places if place.is_relative_to(root) and place.is_file())


def _meaning(file: Path) -> Any:
    """What of a file is code, as JSON values; of a file that is none, or cannot be parsed, its checksum."""
    tree = _tree(file) if file.suffix == ".py" else None
    return files.file_digest(file) if tree is None else _plain(tree)


def _tree(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return None


def _plain(node: Any) -> Any:
    """A syntax tree without positions, without text that stands alone, and without what is empty.

    The empty is left out because later versions of Python add fields.
    """
    if isinstance(node, ast.Constant):
        return {"": repr(node.value)}
    if isinstance(node, ast.AST):
        fields = {name: _plain(value) for name, value in ast.iter_fields(node)}
        return {"": type(node).__name__} | {name: value for name, value in fields.items() if value not in (None, [])}
    if isinstance(node, list):
        return [_plain(item) for item in node if not _is_text(item)]
    return node


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
