"""The hooks of a model directory, imported flat as the container imports them, and visible only to each other."""

from __future__ import annotations

import builtins
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from inference import HOOKS


def import_hooks(model_dir: Path) -> ModuleType:
    """Import the hooks from MODEL_DIR/code where the artifact brings them, else from inference/hooks."""
    program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    code = model_dir / "code"
    folder = code if (code / program).is_file() else HOOKS
    return FlatModules(folder).load(program.removesuffix(".py"))


class FlatModules:
    """The modules of one folder, which find one another by their bare names; they are not in `sys.modules`.

    So no two loads share a module, and none takes the place of one of the server's or the standard library's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: dict[str, ModuleType] = {}
        self._lock = RLock()
        self._builtins = {**vars(builtins), "__import__": self._import}
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # packages in it are imported as usual

    def load(self, name: str) -> ModuleType:
        """Import a module of the folder, once."""
        with self._lock:
            if name not in self._modules:
                self._execute(name)
            return self._modules[name]

    def _execute(self, name: str) -> None:
        spec = spec_from_file_location(name, self._folder / f"{name}.py")
        assert spec, "the name ends with .py"
        assert spec.loader
        module = self._modules[name] = module_from_spec(spec)  # before it runs, for those that import it meanwhile
        vars(module)["__builtins__"] = self._builtins
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del self._modules[name]
            raise

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """Stand in for Python's own `__import__` in these modules."""
        if level == 0 and (self._folder / f"{name}.py").is_file():
            return self.load(name)
        return builtins.__import__(name, globals, locals, fromlist, level)
