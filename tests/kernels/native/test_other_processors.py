"""Kernels as they are written for processors that these tests do not run on: LLVM must take them, and fuse
multiplications with additions as there."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import pytest

from deltarule.kernels.native.convolution import Convolution
from deltarule.kernels.native.epilogue import AddBias
from deltarule.kernels.native.loop_nest import Body, LoopNest, Operand
from deltarule.kernels.native.matrix_product import Product
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.recurrence_cells import LongShortTerm
from deltarule.kernels.native.recurrence_forward import RecurrenceForward
from deltarule.kernels.native.routine import Routine, Unit
from deltarule.kernels.native.row_product import RowProduct
from deltarule.kernels.native.softmax import Softmax

ROUTINES = [
    Product("float32", transposed_b=True, epilogue=AddBias()),
    Product("float64", transposed_a=True),
    RowProduct("float32"),
    Convolution("float32", 2, True, False, epilogue=AddBias()),
    RecurrenceForward(LongShortTerm(), "float32", 1),
    Softmax("float32"),
    LoopNest(
        (40, 7),
        (Operand("float32", (7, 1)), Operand("float32", (0, 1))),
        (Operand("float32", (0, 1), "sum"),),
        Body("x0 · x1", lambda code, vectors: [vectors[0] * vectors[1]]),
    ),
]
# Triple, LLVM's name of the processor, bytes of a vector, registers, its fused instruction.
PROCESSORS = [
    ("x86_64-unknown-linux-gnu", "haswell", 32, 16, "vfmadd"),
    ("x86_64-unknown-linux-gnu", "skylake-avx512", 64, 32, "vfmadd"),
    ("aarch64-unknown-linux-gnu", "cortex-a76", 16, 32, "fmla"),
]
PAUSES = {"x86_64": ("llvm.x86.sse2.pause()", ""), "aarch64": ("llvm.aarch64.hint(i32)", "i32 1")}


def assembly(routine: Routine, triple: str, name: str, width: int, registers: int) -> str:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    unit = Unit(Processor(name, "", width, registers))
    unit.entry(routine, "entry", checked=True)
    module = llvm.parse_assembly(with_pause_of(triple.split("-")[0], unit.text()))
    module.triple = triple
    module.verify()
    machine: Any = llvm.Target.from_triple(triple).create_target_machine(cpu=name, opt=2)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)


def with_pause_of(family: str, text: str) -> str:
    """The text with that family's instruction for waiting in place of this machine's."""
    declared, argument = PAUSES[family]
    called = declared.replace("(i32)", f"({argument})")
    for other, value in PAUSES.values():
        text = text.replace(f"declare void @{other}", f"declare void @{declared}")
        text = text.replace(f"call void @{other.replace('(i32)', f'({value})')}", f"call void @{called}")
    return text


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda each: each[1])
@pytest.mark.parametrize("routine", ROUTINES, ids=lambda each: type(each).__name__)
def test_code_for_other_processors(routine: Routine, processor: tuple[str, str, int, int, str]) -> None:
    *target, fused = processor
    text = assembly(routine, *target)
    assert "entry" in text
    assert fused in text or isinstance(routine, LoopNest)
