"""The running processor: its name, its vectors, its caches. Read once, at the first native kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

# NumPy's characters of the float types that kernels are written for.
FLOATS = {"f": "float32", "d": "float64"}

SIZES = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "bool": 1, "uint8": 1}


@dataclass(frozen=True)
class Processor:
    """What code generation depends on.

    name           LLVM's name of it
    features       LLVM's list of what it can do, as one text
    vector_bytes   width of its vector registers: 64 (AVX-512), 32 (AVX2), 16 (NEON, SSE)
    registers      number of its vector registers
    """

    name: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, dtype: str) -> int:
        """Elements of this type in one vector register."""
        return self.vector_bytes // SIZES[dtype]


@cache
def processor() -> Processor:
    """The processor that this process runs on."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        found = llvm.get_host_cpu_features()
    except RuntimeError:
        # Not known on some systems: the name alone then decides what LLVM uses.
        return Processor(llvm.get_host_cpu_name(), "", 16, 16)
    arm = llvm.get_default_triple().startswith(("aarch64", "arm64"))
    if found.get("avx512f") and found.get("avx512vl") and found.get("avx512dq"):
        width, registers = 64, 32
    elif found.get("avx2") and found.get("fma"):
        width, registers = 32, 16
    else:
        width, registers = 16, 32 if arm else 16
    return Processor(llvm.get_host_cpu_name(), found.flatten(), width, registers)
