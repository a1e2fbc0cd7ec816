"""What a recording assumes, and what it refuses: never a silently wrong result."""

from __future__ import annotations

import functools
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from deltarule.errors import CompileError, CompileWarning, DTypeError, GraphError, OutOfBoundsError
from tests.compiler.harness import compile_exactly, floats, same_elements


def x(seed: int = 0) -> dr.Tensor:
    return dr.tensor(floats(3, seed=seed))


def test_numbers_among_the_arguments_are_guarded() -> None:
    compiled = compile_exactly(lambda x, factor, *, negate=False: -x * factor if negate else x * factor)
    for _ in range(3):
        for factor, negate in ((2.0, False), (3.0, False), (2.0, True)):
            expected = x().numpy() * factor * (-1 if negate else 1)
            np.testing.assert_array_equal(compiled(x(), factor, negate=negate).numpy(), expected)
    assert (compiled.recordings, compiled.replays) == (6, 3)


def test_structures_among_the_arguments() -> None:
    compiled = compile_exactly(lambda parts: {"sum": parts["a"][0] + parts["a"][1], "kept": [parts["b"]]})
    for k in range(4):
        result = compiled({"a": [x(k), x(k + 1)], "b": x(k + 2)})
        np.testing.assert_array_equal(result["sum"].numpy(), x(k).numpy() + x(k + 1).numpy())
        np.testing.assert_array_equal(result["kept"][0].numpy(), x(k + 2).numpy())
    assert compiled.replays == 2
    assert compiled({"a": (x(), x()), "b": x()})["sum"].tolist() == (x() + x()).tolist()
    assert compiled.replays == 2


def test_the_same_tensor_twice() -> None:
    compiled = compile_exactly(lambda a, b: a * 2.0 + b)
    for _ in range(3):
        one = x()
        np.testing.assert_array_equal(compiled(one, one).numpy(), one.numpy() * 2 + one.numpy())
    np.testing.assert_array_equal(compiled(x(1), x(2)).numpy(), x(1).numpy() * 2 + x(2).numpy())


def test_python_values_around_the_function() -> None:
    settings = {"scale": 2.0}
    factor = 1.0

    def scaled(x: Any) -> Any:
        return x * settings["scale"] * factor

    compiled = compile_exactly(scaled)
    for number in range(9):
        if number == 3:
            factor = 10.0
        if number == 6:
            settings["scale"] = 0.5
        np.testing.assert_array_equal(compiled(x()).numpy(), x().numpy() * settings["scale"] * factor)
    assert (compiled.recordings, compiled.replays) == (6, 3)


def test_tensors_around_the_function_are_read_anew() -> None:
    shift = dr.zeros((3,))
    compiled = compile_exactly(lambda x: x + shift)
    for number in range(6):
        shift.assign(float(number))
        np.testing.assert_array_equal(compiled(x()).numpy(), x().numpy() + number)
    assert compiled.replays == 4


def test_what_is_computed_outside_of_operations_is_never_replayed() -> None:
    numbers = np.random.default_rng(0)
    compiled = compile_exactly(lambda x: x + numbers.normal())
    seen = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(12):
            seen.add(float(compiled(x())[0].item()))
    assert len(seen) == 12
    assert compiled.recordings == 8
    (warning,) = caught
    assert issubclass(warning.category, CompileWarning)
    assert "reads an array that Python or NumPy makes anew in every call" in str(warning.message)


@pytest.mark.parametrize("kind", ["variable", "dictionary", "module"])
def test_changes_of_python_objects_are_never_replayed(kind: str) -> None:
    layer = nn.Identity()
    held: dict[str, Any] = {"h": dr.zeros((3,))}
    count = 0

    def step(x: Any) -> Any:
        nonlocal count
        if kind == "variable":
            count += 1
            return x + 0.0
        if kind == "dictionary":
            held["h"] = held["h"] + x
            return held["h"] * 1.0
        layer.last = x * 2.0
        return x * 2.0

    compiled = compile_exactly(step)
    with pytest.warns(CompileWarning, match="now runs uncompiled: it changes"):
        for _ in range(10):
            compiled(x())
    assert compiled.replays == 0
    if kind == "dictionary":
        np.testing.assert_allclose(held["h"].numpy(), 10 * x().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("read", "how"),
    [
        (lambda t: 1.0 if t else 2.0, "a branch (bool)"),
        (lambda t: t.item(), ".item()"),
        (lambda t: t.numpy(), ".numpy()"),
        (lambda t: float(t), "float"),
        (lambda t: int(t), "int"),
        (lambda t: t.tolist(), ".tolist()"),
        (lambda t: np.asarray(t), ".numpy()"),
        (repr, "printing"),
        (lambda t: f"{t:.2f}", ".item()"),
    ],
)
def test_reading_a_value_is_an_error_that_names_the_operation(read: Any, how: str) -> None:
    layer = nn.Linear(3, 1)
    layer._name = "head"

    def step(x: Any) -> Any:
        y = layer(x)
        read(y)
        return y

    compiled = compile_exactly(step)
    with pytest.raises(CompileError) as caught:
        compiled(x())
    assert str(caught.value) == (
        f"compile: {how} reads the elements of the result of linear in layer head, which differ from call to "
        "call. "
        "Return the tensor and read it outside of the compiled function, or choose with dr.where."
    )
    assert layer(x()).item() == layer(x()).item()


def test_reading_an_argument_is_an_error() -> None:
    with pytest.raises(CompileError, match="reads the elements of the argument image, which differ"):
        compile_exactly(lambda image: image if image.tolist()[0] > 0 else -image)(x())


def test_reading_a_tensor_from_outside_is_guarded_by_its_version() -> None:
    flag = dr.tensor(1.0)
    compiled = compile_exactly(lambda x: x * 2.0 if flag.item() > 0 else x * 3.0)
    for number in range(9):
        if number in (3, 6):
            flag.assign(-flag.item())
        np.testing.assert_array_equal(compiled(x()).numpy(), x().numpy() * (2 if flag.item() > 0 else 3))
    assert compiled.replays == 3


def test_a_number_that_every_call_computes_cannot_be_used_in_python() -> None:
    weight = dr.tensor([1.0], requires_grad=True)

    def step(x: Any) -> Any:
        dr.sum(weight * x).backward()
        norm = dr.optim.clip_grad_norm_(weight, 1.0)
        return x if norm > 2.0 else -x

    with pytest.raises(CompileError, match=r"the number that clipped_by_norm gave is used in Python"):
        compile_exactly(step)(x())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dr.manual_seed(0), "a compiled function cannot seed the generator"),
        (lambda: nn.init.zeros_(dr.zeros((3,))), "a compiled function cannot initialise parameters"),
        (
            lambda: dr.optim.StepLR(dr.optim.SGD([dr.tensor(1.0, requires_grad=True)]), 1).step(),
            "a compiled function cannot step a schedule",
        ),
    ],
)
def test_what_cannot_be_recorded_says_so(call: Any, words: str) -> None:
    def step(x: Any) -> Any:
        call()
        return x

    with pytest.raises(CompileError, match=words):
        compile_exactly(step)(x())


def test_a_shape_that_depends_on_elements_is_an_error() -> None:
    with pytest.raises(CompileError, match=r"x\[mask\] reads the elements"):
        compile_exactly(lambda x: x[x > 0])(x())


def test_results_and_arguments_that_are_refused() -> None:
    with pytest.raises(CompileError, match="the function returns a generator"):
        compile_exactly(lambda x: (part for part in (x,)))(x())
    weight = dr.tensor([1.0], requires_grad=True)
    with pytest.raises(CompileError, match=r"argument x was computed by multiply .* Pass it detached"):
        compile_exactly(lambda x: x)(weight * 2.0)
    with pytest.raises(CompileError, match="expected a function, got int"):
        compile_exactly(3)  # type: ignore[arg-type]


def test_results_belong_to_no_graph() -> None:
    weight = dr.tensor([1.0], requires_grad=True)
    compiled = compile_exactly(lambda x: x * weight)
    for _ in range(3):
        with pytest.raises(GraphError, match="needs no gradient"):
            compiled(x()).sum().backward()


def test_errors_of_elements_and_shapes_speak_as_in_eager_mode() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Embedding(4, 2)

        def forward(self, tokens: Any) -> Any:
            return self.table(tokens)

    model = Table()
    compiled = compile_exactly(lambda tokens: model(tokens))
    for _ in range(3):
        compiled(dr.tensor([0, 3]))
    assert compiled.replays == 1
    with pytest.raises(OutOfBoundsError, match=r"embedding in layer table: token 7 at \(1,\)"):
        compiled(dr.tensor([0, 7]))
    with pytest.raises(DTypeError, match="embedding in layer table: indices expected integers"):
        compiled(dr.tensor([0.5, 0.5]))
    np.testing.assert_array_equal(compiled(dr.tensor([1, 1])).numpy(), model(dr.tensor([1, 1])).numpy())


def test_an_error_before_the_update_leaves_parameters_as_they_were() -> None:
    model = nn.Linear(3, 2)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = dr.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = compile_exactly(step)
    batch = dr.tensor(floats(2, 3))
    for _ in range(3):
        compiled(batch, dr.tensor([0, 1]))
    before = model.state_dict()
    with pytest.raises(OutOfBoundsError, match="class 5"):
        compiled(batch, dr.tensor([0, 5]))
    assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())
    compiled(batch, dr.tensor([0, 1]))
    assert (compiled.recordings, compiled.replays) == (2, 2)


def test_a_wrong_gradient_rule_is_named_while_recording() -> None:
    class Broken(dr.Operation):
        name = "broken"
        inputs = ("x",)

        def shape(self, x: Any, **parameters: Any) -> Any:
            return x

        def forward(self, x: Any) -> Any:
            return x * 2

        def backward_kernel(self, node: Any, upstream: Any) -> Any:
            return (upstream[:1],)

    def step(x: Any) -> Any:
        dr.sum(dr.autodiff.operation.apply(Broken(), x)).backward()

    with pytest.raises(dr.errors.GradientError, match="broken gave a gradient of shape"):
        compile_exactly(step)(dr.tensor([1.0, 2.0], requires_grad=True))


def test_compiled_inside_of_compiled_is_one_program() -> None:
    inner = compile_exactly(lambda x: x * 2.0)
    outer = compile_exactly(lambda x: inner(x) + 1.0)
    for _ in range(3):
        np.testing.assert_array_equal(outer(x()).numpy(), x().numpy() * 2 + 1)
    assert (outer.replays, inner.recordings) == (1, 0)


def test_as_a_decorator_of_a_method() -> None:
    class Scaler:
        def __init__(self, factor: float):
            self.factor = factor

        @compile_exactly
        def scaled(self, x: Any) -> Any:
            """Scaled."""
            return x * self.factor

    two, three = Scaler(2.0), Scaler(3.0)
    for _ in range(4):
        for each in (two, three):
            np.testing.assert_array_equal(each.scaled(x()).numpy(), x().numpy() * each.factor)
    two.factor = 5.0
    np.testing.assert_array_equal(two.scaled(x()).numpy(), x().numpy() * 5.0)
    assert Scaler.scaled.replays == 4
    assert Scaler.scaled.__doc__ == "Scaled."


def test_threads_have_recordings_of_their_own() -> None:
    compiled = compile_exactly(lambda x: x * 2.0)
    found: list[Any] = []

    def work() -> None:
        found.extend(compiled(x(k)).numpy() for k in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 80
    for k, values in enumerate(found[:20]):
        del k
        assert any(np.array_equal(values, x(seed).numpy() * 2) for seed in range(20))


def test_functions_inside_of_transforms_and_wrappers_are_looked_at() -> None:
    scale = 2.0

    def loss(x: Any) -> Any:
        return dr.sum(x * x * scale)

    for function in (
        dr.value_and_grad(loss),
        dr.checkpoint(loss),
        functools.partial(loss),
        compile_exactly(loss),
    ):
        scale = 2.0
        compiled = compile_exactly(function)
        for number in range(6):
            if number == 3:
                scale = 5.0
            found = compiled(x())
            value = found[0] if isinstance(found, tuple) else found
            assert same_elements(value.numpy(), loss(x()).numpy())
        assert compiled.replays == 2


def test_a_compiled_module() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter([2.0])

        def forward(self, x: Any) -> Any:
            return x * self.weight * FACTOR["now"]

    model = Scaled()
    compiled = compile_exactly(model)
    for factor in (1.0, 1.0, 1.0, 3.0, 3.0, 3.0):
        FACTOR["now"] = factor
        np.testing.assert_array_equal(compiled(x()).numpy(), x().numpy() * 2 * factor)
    assert compiled.replays == 2


FACTOR = {"now": 1.0}
