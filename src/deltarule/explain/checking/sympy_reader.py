"""SymPy expressions -> formulas: scalars, matrices, and sums over indexed symbols.

SymPy is never imported here: whoever hands in an expression has it. Its nodes are known by their names.
"""

from __future__ import annotations

from typing import Any

from deltarule.errors import ArgumentError
from deltarule.explain.checking.functions import FUNCTIONS
from deltarule.explain.checking.names import Names, listed
from deltarule.explain.checking.syntax import Term, call, number, product
from deltarule.explain.checking.tokens import WHO

_FUNCTIONS = {"Abs": "abs", "Max": "maximum", "Min": "minimum", "Pow": "power", "Sign": "sign"}
_COMPARISONS = {
    "StrictGreaterThan": ">", "StrictLessThan": "<", "GreaterThan": ">=", "LessThan": "<=",
    "Equality": "=", "Unequality": "!=",
}  # fmt: skip


def is_sympy(value: Any) -> bool:
    """Whether a value is an expression of SymPy."""
    return type(value).__module__.partition(".")[0] == "sympy"


def read_sympy(value: Any, names: Names) -> Term:
    """An expression of SymPy as a formula. Raises ArgumentError for what it has no counterpart for.

    MatrixSymbol stands for a whole array, IndexedBase for an array with indices, Symbol for a number, or
    element by element for an array of the same name.
    """
    if not is_sympy(value):
        raise ArgumentError(WHO, f"expected a SymPy expression, got {type(value).__name__}")
    if type(value).__name__ == "Equality":
        # Of an equation the right side is the formula.
        value = value.rhs
    return _Reader(names).read(value)


class _Reader:
    def __init__(self, names: Names):
        self.names = names

    def read(self, node: Any) -> Term:
        kind = type(node).__name__
        if getattr(node, "is_Number", False) or getattr(node, "is_NumberSymbol", False):
            return number(float(node))
        if kind in ("Symbol", "MatrixSymbol", "Dummy", "IndexedBase"):
            return Term("name", text=self._known(str(node.name if hasattr(node, "name") else node)))
        if kind in ("Indexed", "MatrixElement"):
            return self._element(node)
        if kind == "OneMatrix":
            return Term("number", text="ones", value=1.0)
        if getattr(node, "is_Matrix", False) and not getattr(node, "is_MatrixExpr", False):
            return self._explicit(node)
        arguments = list(node.args)
        if kind == "Derivative" and type(node.doit()).__name__ != kind:
            return self.read(node.doit())
        if kind in ("Add", "MatAdd"):
            return self._sum(arguments)
        if kind in ("Mul", "MatMul", "HadamardProduct"):
            return self._product(node, arguments, {"MatMul": "@", "HadamardProduct": "*"}.get(kind, "*"))
        if kind in ("Pow", "HadamardPower"):
            if not arguments[1].is_number or float(arguments[1]) != -1:
                if str(arguments[0]) == "E":
                    return call("exp", self.read(arguments[1]))
                return Term("power", (self.read(arguments[0]), self.read(arguments[1])))
            return Term("divide", (number(1), self.read(arguments[0])))
        if kind == "exp":
            return call("exp", self.read(arguments[0]))
        if kind == "Transpose":
            return Term("transpose", (self.read(arguments[0]),))
        if kind == "Sum":
            return self._over(node)
        if kind == "ElementwiseApplyFunction":
            return self._applied(node)
        if kind in _COMPARISONS:
            return Term("compare", tuple(self.read(each) for each in arguments), _COMPARISONS[kind])
        if kind == "Piecewise":
            return self._cases(node)
        if kind == "KroneckerDelta":
            return Term("compare", tuple(self._index(each) for each in arguments), "=")
        if kind == "Heaviside":
            return Term("compare", (self.read(arguments[0]), number(0)), ">")
        title = str(getattr(node, "func", kind))
        function = _FUNCTIONS.get(kind) or FUNCTIONS.get(title) or FUNCTIONS.get(kind)
        if function is None:
            raise ArgumentError(
                WHO,
                f"no meaning for {kind} in the SymPy expression {node}",
                "Write it out in simpler functions.",
            )
        parts = [self.read(each) for each in arguments]
        if function == "sech":
            return Term("divide", (number(1), call("cosh", *parts)))
        if function == "maximum" and len(parts) > 2:
            raise ArgumentError(WHO, f"Max expects two arguments here, got {len(parts)}", "Nest them.")
        return call(function, *parts)

    def _explicit(self, node: Any) -> Term:
        """A matrix that is written out element by element; of ones it stands for any number of them."""
        if all(each == 1 for each in node):
            return Term("number", text="ones", value=1.0)
        parts = tuple(self.read(each) for each in node)
        return Term("call", parts, "matrix", options={"shape": tuple(int(each) for each in node.shape)})

    def _known(self, title: str) -> str:
        found = self.names.find(title)
        if found is None:
            known = self.names.titles()
            raise ArgumentError(
                WHO, f"the SymPy expression uses {title!r}; {listed(known)}",
                "Give the symbol an array's name, or define it on a line before.",
            )  # fmt: skip
        return found[0]

    def _element(self, node: Any) -> Term:
        base, *indices = node.args
        title = self._known(str(getattr(base, "label", getattr(base, "name", base))))
        return Term("element", tuple(self._index(each) for each in indices), title)

    def _index(self, node: Any) -> Term:
        kind = type(node).__name__
        if getattr(node, "is_Integer", False):
            return number(int(node))
        if kind in ("Symbol", "Idx", "Dummy"):
            return Term("name", text=str(node.name if kind != "Idx" else node.label))
        if kind == "Indexed":
            return self._element(node)
        if kind == "Add":
            shift = [each for each in node.args if each.is_Integer]
            letters = [each for each in node.args if not each.is_Integer]
            if len(shift) == len(letters) == 1:
                offset = int(shift[0])
                sign = "add" if offset > 0 else "subtract"
                return Term(sign, (self._index(letters[0]), number(abs(offset))))
        raise ArgumentError(
            WHO, f"no meaning for the index {node}", "Use a symbol, a number, or one plus the other."
        )

    def _sum(self, arguments: list[Any]) -> Term:
        # What is subtracted comes last, as it is written by hand.
        arguments = sorted(arguments, key=_is_negative)
        result: Term | None = None
        for each in arguments:
            if _is_negative(each):
                part = self.read(-each)
                result = Term("negative", (part,)) if result is None else Term("subtract", (result, part))
            else:
                part = self.read(each)
                result = part if result is None else Term("add", (result, part))
        assert result is not None
        return result

    def _product(self, node: Any, arguments: list[Any], sign: str) -> Term:
        bottoms = [each for each in arguments if type(each).__name__ == "Pow" and each.args[1].is_number
                   and float(each.args[1]) == -1]  # fmt: skip
        tops = [each for each in arguments if each not in bottoms]
        negative = _is_negative(node)
        result: Term | None = None
        for each in tops:
            if negative and getattr(each, "is_Number", False):
                each = -each
                negative = False
                if each == 1:
                    result = Term("negative", (number(1),)) if len(tops) == 1 else result
                    negative = True
                    continue
                part: Term = Term("negative", (number(float(each)),))
            else:
                part = self.read(each)
            result = part if result is None else product(result, part, sign)
        result = number(1) if result is None else result
        if negative and result.kind != "negative":
            result = Term("negative", (result,))
        for each in bottoms:
            result = Term("divide", (result, self.read(each.args[0])))
        return result

    def _over(self, node: Any) -> Term:
        body, *limits = node.args
        names = []
        for limit in limits:
            index, lower = limit.args[0], limit.args[1] if len(limit.args) > 1 else None
            if lower is not None and getattr(lower, "is_Integer", False) and int(lower) not in (0, 1):
                raise ArgumentError(
                    WHO, f"expected sums over whole axes, got {index} from {lower}",
                    "Write the part that is left out as a factor, such as a Piecewise.",
                )  # fmt: skip
            names.append(str(getattr(index, "label", getattr(index, "name", index))))
        return Term("over", (self.read(body),), "sum", names=tuple(names))

    def _applied(self, node: Any) -> Term:
        """f(x) for each element: the function is a lambda or a class."""
        function, inner = node.function, node.expr
        argument = self.read(inner)
        kind = type(function).__name__
        if kind != "Lambda":
            title = FUNCTIONS.get(getattr(function, "__name__", str(function)))
            if title is None:
                raise ArgumentError(WHO, f"no meaning for {function} in the SymPy expression")
            return call(title, argument)
        variable = function.variables[0]
        known = self.names.find(str(variable))
        names = Names()
        names.known = dict(self.names.known)
        names.known[str(variable)] = (f" {variable}", 0) if known is None else known
        body = _Reader(names).read(function.expr)
        return _substituted(body, f" {variable}" if known is None else known[0], argument)

    def _cases(self, node: Any) -> Term:
        result: Term | None = None
        for value, condition in reversed([pair.args for pair in node.args]):
            if str(condition) == "True":
                result = self.read(value)
            else:
                other = number(0) if result is None else result
                result = call("where", self.read(condition), self.read(value), other)
        assert result is not None
        return result


def _is_negative(node: Any) -> bool:
    return bool(getattr(node, "could_extract_minus_sign", lambda: False)()) and type(node).__name__ in (
        "Mul", "MatMul", "Integer", "Float", "Rational", "NegativeOne",
    )  # fmt: skip


def _substituted(term: Term, title: str, argument: Term) -> Term:
    if term.kind == "name" and term.text == title:
        return argument
    if not term.parts or term.kind == "element":
        return term
    parts = tuple(_substituted(part, title, argument) for part in term.parts)
    return Term(term.kind, parts, term.text, term.value, term.names, term.options)
