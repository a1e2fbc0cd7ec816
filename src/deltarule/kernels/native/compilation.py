"""From LLVM assembly to callable functions, by way of a folder of object code that outlives the process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.kernels.native.lasting import lasting
from deltarule.kernels.native.processor import SIZES, processor

_MAGIC = b"deltarule object 1\n"
_kept: list[Any] = []


def cache_folder() -> Path | None:
    """Where compiled code is kept: DELTARULE_CACHE, else the user's cache folder; None without one."""
    named = os.environ.get("DELTARULE_CACHE")
    if named is not None:
        return Path(named) if named else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "deltarule" / "cache" if base else None
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "deltarule"
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "deltarule"
    except RuntimeError:
        return None


@cache
def version() -> str:
    """What object code depends on beside its description: the writers, the processor, LLVM and Python."""
    import llvmlite

    digest = hashlib.blake2b(digest_size=16)
    package = Path(__file__).parent.parent.parent
    for folder in ("kernels", "compiler"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    machine = processor()
    for part in (machine.name, machine.features, llvmlite.__version__, platform.machine(), sys.platform):
        digest.update(part.encode() + b"\0")
    digest.update(str(object.__basicsize__).encode())
    return digest.hexdigest()


def load(
    description: str, write: Callable[[], str], names: list[str], thorough: bool = False
) -> dict[str, int]:
    """Addresses of the named functions of a unit that `write` gives as LLVM assembly.

    description   what identifies the unit: its object code is kept under this and `version()`
    thorough      whether LLVM takes its time, see `compiled`
    """
    key = hashlib.blake2b(f"{version()}\n{description}".encode(), digest_size=20).hexdigest()
    folder = cache_folder()
    code = _read(folder / f"{key}.o") if folder is not None else None
    if code is None:
        code = compiled(write(), thorough)
        if folder is not None:
            _keep(folder, key, code)
    return _addresses(code, names)


def compiled(text: str, thorough: bool = False) -> bytes:
    """Object code of LLVM assembly.

    thorough   whether LLVM's usual list of passes is used however long the text is: a step that runs a
               million times is worth seconds, a kernel that waits to be called is not
    """
    machine, module = _optimised(text, thorough)
    return machine.emit_object(module)


def assembly(text: str) -> str:
    """The processor's instructions for LLVM assembly, to look at."""
    machine, module = _optimised(text, True)
    return machine.emit_assembly(module)


# Lines of assembly from which the short list of passes is used. A convolution of 10,000 lines takes 0.08 s
# with it and 0.69 s with LLVM's usual list, and runs as fast; small steps gain from what the usual list
# inlines.
_LONG = 4_000


def _optimised(text: str, thorough: bool) -> tuple[Any, Any]:
    """(target machine, module): kernels say themselves what becomes a vector and what is unrolled."""
    import llvmlite.binding as llvm

    machine = _target_machine()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if thorough or text.count("\n") < _LONG:
        builder.getModulePassManager().run(module, builder)
        return machine, module
    whole = llvm.create_new_module_pass_manager()
    whole.add_ipsccp_pass()
    whole.run(module, builder)
    passes = llvm.create_new_function_pass_manager()
    # Variables become registers, then what is computed twice or in vain goes, last loops are turned over.
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_new_gvn_pass()
    passes.add_loop_rotate_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return machine, module


@cache
def _target_machine() -> Any:
    import llvmlite.binding as llvm

    machine = processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=machine.name, features=machine.features, opt=2, reloc="pic", codemodel="jitdefault", jit=True
    )


def _addresses(code: bytes, names: list[str]) -> dict[str, int]:
    import llvmlite.binding as llvm

    _add_symbols()
    # The engine takes its machine with it, so each has one of its own.
    machine = processor()
    target = llvm.Target.from_default_triple()
    own = target.create_target_machine(
        cpu=machine.name, features=machine.features, opt=2, codemodel="jitdefault", jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), own)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    lasting(engine)
    return {name: engine.get_function_address(name) for name in names}


@cache
def _add_symbols() -> None:
    import llvmlite.binding as llvm

    from deltarule.kernels.native.team import team_address

    for name in ("PyLong_AsLongLong", "PyFloat_AsDouble", "Py_IncRef"):
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    llvm.add_symbol("_Py_NoneStruct", id(None))
    llvm.add_symbol("_Py_TrueStruct", id(True))
    llvm.add_symbol("_Py_FalseStruct", id(False))
    llvm.add_symbol("_deltarule_ndarray", id(np.ndarray))
    for dtype in SIZES:
        # NumPy has one object for each of its own types; `_kept` sees to it that it stays.
        _kept.append(np.dtype(dtype))
        llvm.add_symbol(f"_deltarule_{dtype}", id(np.dtype(dtype)))
    llvm.add_symbol("_deltarule_team", team_address())


def _read(path: Path) -> bytes | None:
    """Object code from a file; None if it is not there or not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + 20
    if not content.startswith(_MAGIC) or len(content) <= head:
        return None
    code = content[head:]
    if hashlib.blake2b(code, digest_size=20).digest() != content[len(_MAGIC) : head]:
        return None
    return code


def _keep(folder: Path, key: str, code: bytes) -> None:
    """Writes object code so that another process sees all of it or nothing; failing is no error."""
    checked = _MAGIC + hashlib.blake2b(code, digest_size=20).digest() + code
    partial = folder / f"{key}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(checked)
        os.replace(partial, folder / f"{key}.o")
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
