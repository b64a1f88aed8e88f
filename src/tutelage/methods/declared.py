"""Reads what a method's file declares (its fields, their ranges, what it needs) without importing torch.

A command line is checked against these declarations before anything heavy is imported: inside `declarations()` the
methods' names stand for classes that have all of a method but its computations. A test compares each with the real one.
"""

import ast
import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

LIGHT = ("dataclasses", "functools", "typing", "tutelage.methods", "tutelage.methods.base")
"""What a declaration may be made of."""

wanted: ContextVar[bool] = ContextVar("declarations are wanted", default=False)


@contextmanager
def declarations() -> Generator[None]:
    """Inside the block the methods' names stand for their declarations."""
    before = wanted.set(True)
    try:
        yield
    finally:
        wanted.reset(before)


def module(file: str) -> ModuleType:
    """The module of a method's file: the file itself, or its declarations alone where they are wanted."""
    if not wanted.get():
        return importlib.import_module(f"tutelage.methods.{file}")
    name = f"{__name__}.{file}"
    if name not in sys.modules:
        path = str(Path(__file__).with_name(f"{file}.py"))
        spec = importlib.util.spec_from_file_location(name, path, loader=_Declarations(name, path))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class _Declarations(SourceFileLoader):
    """Loads a file without its functions, the bodies of its methods and whatever imports more than `LIGHT`."""

    def get_code(self, fullname):
        # Never from the compiled file beside it: that is of the whole.
        tree = ast.parse(self.get_data(self.path), self.path)
        tree.body = [light for statement in tree.body if (light := _light(statement)) is not None]
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


def _light(statement: ast.stmt) -> ast.stmt | None:
    match statement:
        case ast.ImportFrom(module=source):
            return statement if source in LIGHT else None
        case ast.Assign(value=ast.Constant()) | ast.Expr(value=ast.Constant()):
            return statement
        case ast.ClassDef(decorator_list=[_, *_]):
            for part in statement.body:
                if isinstance(part, ast.FunctionDef):
                    part.body[:], part.decorator_list, part.returns = [ast.Pass()], [], None
                    for argument in part.args.args:
                        argument.annotation = None
            return statement
    return None
