"""Formulas as NumPy programs: every operation's program runs by itself and gives the engine's numbers."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Loop,
    Number,
    Symbol,
    array_function,
    equal,
    function,
    greater,
    where,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS
from deltarule.autodiff.formula.program import code, emit, helper_sources, program_lines, reserved_names
from deltarule.autodiff.formula.program_helpers import helper_texts, helpers_by_name
from deltarule.autodiff.formula.program_notation import number_source
from deltarule.autodiff.formula.shapes import shape_of
from deltarule.errors import ArgumentError
from tests.operations.cases import CASES
from tests.operations.harness import Case, formula_views


def _run(program: str) -> dict[str, Any]:
    """A program's variables; whatever it imports must be NumPy or math."""
    for part in ast.walk(ast.parse(program)):
        assert not isinstance(part, ast.ImportFrom)
        if isinstance(part, ast.Import):
            assert {name.name for name in part.names} <= {"numpy", "math"}
    space: dict[str, Any] = {}
    exec(compile(program, "<program>", "exec"), space)
    return space


def _close(found: Any, expected: np.ndarray, what: str) -> None:
    assert np.shape(found) == expected.shape, what
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10, err_msg=what)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_program_of_every_operation_gives_value_and_gradients(case: Case) -> None:
    for operation, call, arrays, upstream, node, values in formula_views(case):
        answers: dict[str, np.ndarray] = {}
        if node is not None:
            given = operation.backward_kernel(node, *upstream)
            names = operation.input_names(len(node.inputs))
            pairs = enumerate(zip(names, given, strict=True))
            answers = {name: a for place, (name, a) in pairs if a is not None and node.needs(place)}
        program = emit(operation.formula(call), arrays, wanted=answers)
        space = _run(program)
        for name, value in zip(operation.outputs, values, strict=True):
            _close(space[name], value, f"{operation.name}: {name}\n{program}")
        for name, answer in answers.items():
            _close(space[f"grad_{name}"], answer, f"{operation.name}: gradient of {name}\n{program}")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_of_every_matrix_form(case: Case) -> None:
    for operation, call, arrays, _, node, _ in formula_views(case):
        formula = operation.formula(call)
        gradients = [] if node is None else [g.matrix for g in formula.gradients.values()]
        for lines in (formula.value.matrix, *gradients):
            # Gradients of inputs that need none may not exist: the exponent's, of a negative base.
            with np.errstate(invalid="ignore"):
                solved = solve([*formula.value.matrix, *lines], dict(arrays))
            shapes = {name: np.shape(array) for name, array in solved.items()}
            for line in lines:
                if isinstance(line, Equation):
                    assert isinstance(line.left, Symbol)
                    assert shape_of(line.right, shapes) == shapes[line.left.name], operation.name


def _recorded(result: Any) -> tuple[Any, dict[str, Any]]:
    """(formula, arrays) of the last operation of a result, with ones as upstream gradients."""
    node = nodes_below([result])[-1]
    names = node.operation.input_names(len(node.inputs))
    arrays = {name: each.numpy() for name, each in zip(names, node.inputs, strict=True)}
    arrays |= {
        f"grad_{name}": np.ones(value.shape)
        for name, value in zip(node.operation.outputs, node.values, strict=True)
    }
    return node.operation.formula(node.operation.call(node)), arrays


def _random(*shape: int, needs: bool = True) -> dr.Tensor:
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    return dr.tensor(values, dtype=np.float64, requires_grad=needs)


def _statements(program: str) -> str:
    return program[program.index("# Forward pass") :].strip()


def test_linear_reads_as_one_writes_it() -> None:
    formula, arrays = _recorded(dr.linear(_random(5, 3), _random(4, 3), _random(4)))
    assert _statements(emit(formula, arrays)) == (
        "# Forward pass\n"
        "y = x @ weight.T + bias\n"
        "\n"
        "# Backward pass\n"
        "grad_x = grad_y @ weight\n"
        "grad_weight = grad_y.T @ x\n"
        "grad_bias = np.sum(grad_y, axis=0)"
    )


def test_recurrent_net_reads_as_one_writes_it() -> None:
    output, _ = dr.rnn(_random(2, 3, 2), _random(2, 2), _random(2, 2), _random(2, 2), _random(2), _random(2))
    formula, arrays = _recorded(output)
    assert _statements(emit(formula, arrays, wanted=["weight_hh", "bias_hh"])) == (
        "# Forward pass\n"
        "previous_hidden, hidden = np.zeros((2, 3, 2, 2))\n"
        "for t in range(3):\n"
        "    previous_hidden[t] = h0 if t == 0 else hidden[t - 1]\n"
        "    hidden[t] = np.tanh(x[:, t] @ weight_ih.T + bias_ih"
        " + previous_hidden[t] @ weight_hh.T + bias_hh)\n"
        "output = hidden.swapaxes(0, 1)\n"
        "h_n = hidden[2]\n"
        "\n"
        "# Backward pass\n"
        "grad_hidden, delta, grad_previous_hidden = np.zeros((3, 3, 2, 2))\n"
        "for t in reversed(range(3)):\n"
        "    grad_hidden[t] = grad_output[:, t] + (grad_h_n if t == 2 else grad_previous_hidden[t + 1])\n"
        "    delta[t] = grad_hidden[t] * (1 - hidden[t] ** 2)\n"
        "    grad_previous_hidden[t] = delta[t] @ weight_hh\n"
        "grad_weight_hh = np.sum(delta.mT @ previous_hidden, axis=0)\n"
        "grad_bias_hh = np.sum(delta, axis=(0, 1))"
    )


def test_windows_of_a_convolution_are_made_once() -> None:
    formula, arrays = _recorded(dr.conv2d(_random(2, 3, 5, 5), _random(4, 3, 3, 3), _random(4), padding=1))
    assert _statements(emit(formula, arrays)) == (
        "# Forward pass\n"
        "columns = unfold(x, kernel_size=(3, 3), positions=(5, 5), before=(1, 1))\n"
        "y = (weight.reshape(4, 27) @ columns).reshape(2, 4, 5, 5) + bias[:, None, None]\n"
        "\n"
        "# Backward pass\n"
        "grad_x = fold(weight.reshape(4, 27).T @ grad_y.reshape(2, 4, 25), shape=(2, 3, 5, 5), "
        "kernel_size=(3, 3), positions=(5, 5), before=(1, 1))\n"
        "grad_weight = np.sum(grad_y.reshape(2, 4, 25) @ columns.mT, axis=0).reshape(4, 3, 3, 3)\n"
        "grad_bias = np.sum(grad_y, axis=(0, 2, 3))"
    )


def test_softmax_does_not_overflow() -> None:
    x = dr.tensor([[1000.0, 1001.0], [-1000.0, 0.0]], dtype=np.float64, requires_grad=True)
    for result in (dr.softmax(x, axis=1), dr.log_softmax(x, axis=1), dr.logsumexp(x, axis=1), dr.softplus(x)):
        formula, arrays = _recorded(result)
        with np.errstate(over="raise", invalid="raise"):
            space = _run(emit(formula, arrays))
        np.testing.assert_allclose(space["y"], result.numpy(), rtol=1e-12)


def test_program_from_a_file_runs_in_a_fresh_process(tmp_path: Path) -> None:
    """No deltarule there: the interpreter is isolated, and only NumPy's folder is on its path."""
    target = dr.tensor([0, 2, 1])
    results = {
        "cross_entropy": dr.cross_entropy(_random(3, 3), target),
        "max_pool2d": dr.max_pool2d(_random(1, 2, 4, 4), 2),
        "gelu": dr.gelu(_random(2, 3)),
        "lstm": dr.lstm(_random(2, 3, 2), _random(2, 2), _random(2, 2), _random(8, 2), _random(8, 2))[0],
    }
    home = Path(np.__file__).parent.parent
    for name, result in results.items():
        formula, arrays = _recorded(result)
        np.savez(tmp_path / "arrays.npz", **arrays)
        expected = {**solve(formula.value.matrix, dict(arrays))}
        for form in formula.gradients.values():
            expected = solve(form.matrix, expected)
        wanted = [f"grad_{each}" for each in formula.gradients]
        program = emit(formula, arrays, file="arrays.npz")
        program += "\nimport sys\nassert 'deltarule' not in sys.modules\n"
        program += f"np.savez('results.npz', **{{name: globals()[name] for name in {wanted}}})\n"
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        start = f"import sys; sys.path.append({str(home)!r}); exec(open('program.py').read())"
        subprocess.run([sys.executable, "-I", "-S", "-c", start], cwd=tmp_path, check=True, timeout=60)
        with np.load(tmp_path / "results.npz") as found:
            for each in wanted:
                _close(found[each], np.asarray(expected[each]), f"{name}: {each}")


def test_lines_say_what_they_read_and_define() -> None:
    x, weight, t = Symbol("x", 2), Symbol("W", 2), Index("t", 4)
    h = Symbol("h", 2)
    start = where(equal(t, 0), Symbol("h0", 1), h.at([t - 1], outside=0.0))
    loop = Loop(t, (Equation(h.at([t]), function("tanh", start @ weight)),))
    lines = program_lines([loop, Equation(Symbol("y", 2), h @ weight)], {"h0": (3,), "W": (3, 3)})
    assert [str(line) for line in lines] == [
        "h = np.zeros((4, 3))",
        "for t in range(4):",
        "    h[t] = np.tanh((h0 if t == 0 else h[t - 1]) @ W)",
        "y = h @ W",
    ]
    assert [line.reads for line in lines] == [(), (), ("h0", "h", "W"), ("h", "W")]
    assert [line.defines for line in lines] == [("h",), (), ("h",), ("y",)]
    assert x.name == "x"


def test_a_repeated_line_is_written_once() -> None:
    delta = Equation(Symbol("delta", 1), Symbol("x", 1) * 2.0)
    again = Equation(Symbol("delta", 1), Symbol("x", 1) * 2.0)
    other = Equation(Symbol("y", 1), Symbol("delta", 1) + 1.0)
    lines = program_lines([delta, other, again], {"x": (3,)})
    assert [line.text for line in lines] == ["delta = 2 * x", "y = delta + 1"]


def test_a_repeated_line_with_named_parts_is_written_once() -> None:
    t, x, y, z = Index("t", 3), Symbol("x", 1), Symbol("y", 1), Symbol("z", 1)

    def lines() -> list[Any]:
        part = function("tanh", x * 0.25 + 3.0) - 17.0
        looped = function("sin", x.at([t]) * 0.25 + 3.0) - 17.0
        return [Equation(y, part * part), Loop(t, (Equation(z.at([t]), looped * looped + looped),))]

    written = program_lines([*lines(), *lines()], {"x": (3,)})
    assert [str(line) for line in written] == [
        "inner = np.tanh(0.25 * x + 3) - 17",
        "y = inner * inner",
        "z = np.zeros((3,))",
        "for t in range(3):",
        "    inner2 = np.sin(0.25 * x[t] + 3) - 17",
        "    z[t] = inner2 ** 2 + inner2",
    ]


def test_a_long_part_that_stands_twice_gets_a_free_name() -> None:
    x, largest = Symbol("x", 1), Symbol("largest", 0)
    part = array_function("max", function("tanh", x * 0.25 + 3.0), axis=0)
    lines = program_lines([Equation(Symbol("y", 0), part * largest + part)], {"x": (3,), "largest": ()})
    assert [line.text for line in lines] == [
        "largest2 = np.max(np.tanh(0.25 * x + 3))",
        "y = largest2 * largest + largest2",
    ]


def _a() -> Symbol:
    return Symbol("a", 2)


def _b() -> Symbol:
    return Symbol("b", 2)


def _reduced(name: str, shape: tuple[int, ...], /, **options: Any) -> Expression:
    return array_function("reshape", array_function(name, _a(), **options), shape=shape)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (_a() - (_b() - 1.0), "a - (b - 1)"),
        (_a() + (_b() - 1.0), "a + b - 1"),
        (_a() + -_b(), "a - b"),
        (_a() - -_b(), "a + b"),
        (_a() - (-_b() + _a()), "a - (-b + a)"),
        (-(_a() + _b()), "-(a + b)"),
        (-(_a() * _b()), "-a * b"),
        (-_a() * -_b(), "a * b"),
        (_a() / (_b() * 2.0), "a / (2 * b)"),
        (_a() / _b() / 3.0, "a / b / 3"),
        (_a() * 2.0 * 0.5, "a"),
        ((1.0 / Number(8)) * (_a() - _b()), "(a - b) / 8"),
        (_a() * (1.0 / _b()), "a / b"),
        (1.0 / _b(), "1 / b"),
        (_a() * (-1.0 / _b()), "-a / b"),
        (_a() * (2.0 / _b()) * (3.0 / (_b() + _a())), "6 * a / b / (b + a)"),
        (_a() * Number(3.0) * _b(), "3 * a * b"),
        (_a() ** -1.0, "a ** -1"),
        ((_a() + 1.0) ** 2.0, "(a + 1) ** 2"),
        (-(_a() ** 2.0), "-a ** 2"),
        ((-_a()) ** 2.0, "(-a) ** 2"),
        (_a() * _a(), "a * a"),
        (1.0 - _a() * _a(), "1 - a ** 2"),
        (_a() @ (_b() @ _a()), "a @ (b @ a)"),
        (_a() @ _b() @ _a(), "a @ b @ a"),
        ((_a() * _b()) @ _a(), "(a * b) @ a"),
        (_a() * (_b() @ _a()), "a * (b @ a)"),
        ((_a() + _b()).T @ _a(), "(a + b).T @ a"),
        (greater(_a(), 0.0) * _b(), "b * (a > 0)"),
        (-(greater(_a(), 0.0) * _b() / _a()), "-b * (a > 0) / a"),
        (greater(_a(), 0.0) + greater(_b(), 0.0), "1.0 * (a > 0) + (b > 0)"),
        (greater(_a(), 0.0) + (greater(_b(), 0.0) - _a()), "1.0 * (a > 0) + (b > 0) - a"),
        (function("tanh", greater(_a(), 0.0)), "np.tanh(1.0 * (a > 0))"),
        (_a() + (-_b() - _a()), "a - b - a"),
        (_b() / -(_a() / _b()), "b / (-a / b)"),
        (array_function("prod", _a(), axis=1) / 3.0, "np.prod(a, axis=1) / 3"),
        (array_function("broadcast_to", 1.0, shape=(2, 3)), "np.ones((2, 3))"),
        (array_function("broadcast_to", 0.5, shape=(3,)), "np.full(3, 0.5)"),
        (-greater(_a(), 0.0), "-1.0 * (a > 0)"),
        (where(greater(_a(), 0.0), _a(), 0.0), "np.where(a > 0, a, 0)"),
        (function("floor_divide", _a(), 2.0) * _b(), "(a // 2) * b"),
        (array_function("sum", _a(), axis=(0, 1)), "np.sum(a)"),
        (array_function("sum", _a(), axis=1, keepdims=True) / 3.0, "np.mean(a, axis=1, keepdims=True)"),
        (array_function("sum", _a(), axis=1) / 4.0, "np.sum(a, axis=1) / 4"),
        (array_function("broadcast_to", Symbol("c", 1), shape=(3, 3)) * _a(), "c * a"),
        (array_function("broadcast_to", Symbol("c", 1), shape=(3, 3)), "np.broadcast_to(c, (3, 3))"),
        (array_function("sum_to", _a(), shape=(3,)), "np.sum(a, axis=0)"),
        (array_function("sum_to", _a(), shape=(3, 1)), "np.sum(a, axis=1, keepdims=True)"),
        (array_function("sum_to", _a(), shape=(3, 3)), "a"),
        (array_function("reshape", Symbol("c", 1), shape=(3, 1, 1)), "c[:, None, None]"),
        (array_function("reshape", _a(), shape=(9,)), "a.reshape(9)"),
        (array_function("reshape", Symbol("c", 1), shape=(1, 3)) * _a(), "c * a"),
        (array_function("reshape", Symbol("c", 1), shape=(1, 3)) * Symbol("c", 1), "c[None] * c"),
        (_reduced("sum", (3, 1), axis=1), "np.sum(a, axis=1, keepdims=True)"),
        (_reduced("max", (3,), axis=1, keepdims=True), "np.max(a, axis=1)"),
        (_reduced("sum_to", (3,), shape=(1, 3)), "np.sum(a, axis=0)"),
        (_reduced("sum_to", (1, 3, 1), shape=(1, 3)), "np.sum(a, axis=0, keepdims=True).reshape(1, 3, 1)"),
        (array_function("one_hot", Symbol("c", 1), num_classes=3) @ _a(), "a[c]"),
        (_a().T, "a.T"),
        (Symbol("d", 3).T @ _a(), "d.mT @ a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_notation(expression: Expression, expected: str) -> None:
    shapes = {"a": (3, 3), "b": (3, 3), "c": (3,), "d": (2, 3, 3)}
    assert code(expression, shapes) == expected
    generator = np.random.default_rng(1)
    arrays: dict[str, Any] = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    if expected == "a[c]":
        arrays["c"] = np.array([2, 0, 0])
    found = eval(expected, {"np": np, **arrays})
    value = solve([Equation(Symbol("y"), expression)], dict(arrays))["y"]
    np.testing.assert_allclose(found, value, rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.0, "2"),
        (-2.0, "-2"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (2 / 3, "2 / 3"),
        (float("inf"), "np.inf"),
        (-float("inf"), "-np.inf"),
        (float(np.pi), "np.pi"),
        (1 / float(np.sqrt(12)), "1 / np.sqrt(12)"),
        (1e-5, "1e-05"),
        (0.123456789012345678, "0.12345678901234568"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    assert number_source(value).text == expected
    np.testing.assert_allclose(eval(expected, {"np": np}), value, rtol=1e-15)


def test_helpers_need_numpy_math_and_each_other_only() -> None:
    known = {"np", "math", *dir(builtins)}
    for name in helpers_by_name():
        texts = helper_texts([name])
        space: dict[str, Any] = {}
        exec("import math\nimport numpy as np\n" + "\n".join(texts), space)
        for text in texts:
            tree = ast.parse(text)
            read = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
            stored = {
                part.id
                for part in ast.walk(tree)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
            arguments = {part.arg for part in ast.walk(tree) if isinstance(part, ast.arg)}
            assert read - stored - arguments <= known | set(space), name
            # A variable that is named like a helper would hide it.
            assert not (stored | arguments) & set(helpers_by_name()), name
            assert '"""' in text, f"{name} says what it does"


def test_every_function_has_source() -> None:
    for name, row in ARRAY_FUNCTIONS.items():
        assert row.source or row.helper, name
    for name, row in FUNCTIONS.items():
        assert callable(row.value), name


def test_helper_sources_come_before_their_callers() -> None:
    formula, arrays = _recorded(dr.conv2d(_random(1, 1, 4, 4), _random(1, 1, 2, 2)))
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    lines = program_lines([*formula.value.matrix, *formula.gradients["x"].matrix], shapes)
    names = [source.split("(")[0] for source in helper_sources(lines)]
    assert names == ["def window_margins", "def windows_at", "def unfold", "def fold"]
    assert {"np", "for", "unfold", "windows_at"} <= reserved_names()


def test_missing_shapes_and_impossible_names_are_answered() -> None:
    with pytest.raises(ArgumentError, match="shape of symbol 'x' is not known"):
        program_lines([Equation(Symbol("y"), Symbol("x") + 1.0)], {"z": ()})
    with pytest.raises(ArgumentError, match="shape of symbol 'x' is not known"):
        code(Symbol("x") + 1.0, {})
    for name in ("lambda", "np", "unfold", "h'"):
        with pytest.raises(ArgumentError, match="expected a free name"):
            program_lines([Equation(Symbol(name), Symbol("x") + 1.0)], {"x": ()})
        with pytest.raises(ArgumentError, match="expected a free name"):
            program_lines([Equation(Symbol("y"), Symbol(name) + 1.0)], {name: ()})
    t = Index("t", 2)
    with pytest.raises(ArgumentError, match="named 't'"):
        program_lines([Loop(t, (Equation(Symbol("y", 1).at([t]), Symbol("t", 0) + 1.0),))], {"t": ()})
