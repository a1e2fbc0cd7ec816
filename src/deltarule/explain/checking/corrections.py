"""Small changes that may mend a user's formula, each with the mistake that it would take back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deltarule.explain.checking.syntax import (
    Path,
    Term,
    at,
    call,
    index_names,
    number,
    product,
    replaced,
    walk,
    written,
)

# Kinds, those that are named first where several changes mend a formula.
RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (
            "sign",
            "wrong_axis",
            "transposed",
            "operand_order",
            "product_for_hadamard",
            "hadamard_for_product",
            "summand_sign",
            "missing_square",
            "missing_sum",
            "mean_for_sum",
            "sum_for_mean",
            "extra_sum_index",
            "kept_axes",
            "shifted",
            "wrong_index",
            "wrong_point",
            "missing_factor",
            "wrong_slope",
            "wrong_symbol",
            "extra_factor",
            "extra_summand",
            "missing_summand",
        )
    )
}


@dataclass(frozen=True, eq=False)
class Correction:
    """A changed formula.

    kind      the mistake that the change takes back
    path      where
    term      the whole formula, mended
    subject   what is missing or right, as text
    used      what stands there instead
    weight    small for small changes: of equal kinds it decides
    """

    kind: str
    path: Path
    term: Term
    subject: str = ""
    used: str = ""
    weight: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Small for what is named first."""
        return (RANKS[self.kind], self.weight)


def corrections(
    term: Term, arrays: Mapping[str, int], used: Sequence[str], indices: Sequence[str] = ()
) -> Iterator[Correction]:
    """Changes of one formula, the small ones first.

    arrays   name -> number of axes of every array that may be put in
    used     names that the formula and those before it use: put in first
    indices  those on its left side
    """
    letters = index_names(term) | {*indices}
    yield Correction("sign", (), _negated(term))
    if term.text == "matrix":
        # A matrix that is written out is too large for more than changes of the whole.
        yield from _transpositions(term, (), term, None)
        return
    for path, part in walk(term):
        parent = at(term, path[:-1]) if path else None
        yield from _transpositions(term, path, part, parent)
        yield from _sums(term, path, part)
        if part.kind == "product":
            yield from _products(term, path, part, parent)
        elif part.kind in ("add", "subtract"):
            yield from _summands(term, path, part)
        elif part.kind == "power" and part.parts[1].kind == "number":
            # x² where x belongs.
            yield Correction("extra_factor", path, replaced(term, path, part.parts[0]),
                             written(part.parts[0]), written(part), 5)  # fmt: skip
        elif part.kind == "divide":
            yield Correction("extra_factor", path, replaced(term, path, part.parts[0]),
                             "", f"1/{written(part.parts[1], 4)}", 5)  # fmt: skip
            flipped = product(part.parts[0], part.parts[1], "*")
            yield Correction("extra_factor", path, replaced(term, path, flipped),
                             written(flipped), written(part), 9)  # fmt: skip
        elif part.kind == "negative":
            yield Correction("sign", path, replaced(term, path, part.parts[0]), "", written(part), 2)
        elif part.kind == "element":
            yield from _elements(term, path, part, letters)
        if part.kind in ("name", "element"):
            yield from _symbols(term, path, part, arrays)
            squared = Term("power", (part, number(2)))
            if parent is None or parent.kind != "power":
                yield Correction("missing_square", path, replaced(term, path, squared),
                                 written(squared), written(part))  # fmt: skip
    yield from _factors(term, arrays, used)
    yield from _slopes(term, arrays)


def _negated(term: Term) -> Term:
    return term.parts[0] if term.kind == "negative" else Term("negative", (term,))


def _transposed(term: Term) -> Term:
    return term.parts[0] if term.kind == "transpose" else Term("transpose", (term,))


def _turned(term: Term) -> Term:
    """The transpose with its marks at the names: (A B)ᵀ is Bᵀ Aᵀ, (A ⊙ B)ᵀ is Aᵀ ⊙ Bᵀ."""
    if term.kind == "number":
        return term
    if term.kind == "negative":
        return replace(term, parts=(_turned(term.parts[0]),))
    if term.kind == "divide" and term.parts[1].kind in ("number", "name"):
        return replace(term, parts=(_turned(term.parts[0]), term.parts[1]))
    if term.kind == "product":
        left, right = term.parts
        if term.text == "*" or "number" in (left.kind, right.kind):
            return replace(term, parts=(_turned(left), _turned(right)))
        first, second = _turned(right), _turned(left)
        if second.kind == "product" and second.text != "*" and second.parts[0].kind == "number":
            # A number stays in front.
            first, second = replace(second, parts=(second.parts[0], first)), second.parts[1]
        return replace(term, parts=(first, second))
    return _transposed(term)


def _transpositions(term: Term, path: Path, part: Term, parent: Term | None) -> Iterator[Correction]:
    if part.kind == "transpose":
        yield Correction("transposed", path, replaced(term, path, part.parts[0]),
                         written(part.parts[0]), written(part))  # fmt: skip
    elif part.kind in ("name", "element", "product") or not path:
        if parent is None or parent.kind != "transpose":
            turned = Term("transpose", (part,))
            weight = 0 if part.kind in ("name", "element") else 3
            if part.kind == "product":
                simple = _turned(part)
                yield Correction("transposed", path, replaced(term, path, simple),
                                 written(simple), written(part), 2)  # fmt: skip
            yield Correction("transposed", path, replaced(term, path, turned),
                             written(turned), written(part), weight)  # fmt: skip


def _products(term: Term, path: Path, part: Term, parent: Term | None) -> Iterator[Correction]:
    left, right = part.parts
    if part.text == "*":
        for sign in ("@",):
            new = replace(part, text=sign)
            yield Correction("hadamard_for_product", path, replaced(term, path, new),
                             written(new), written(part))  # fmt: skip
    else:
        new = replace(part, text="*")
        yield Correction("product_for_hadamard", path, replaced(term, path, new), written(new), written(part))
    for first, second, kind, weight in (
        (_transposed(left), right, "transposed", 1),
        (left, _transposed(right), "transposed", 1),
        (_transposed(left), _transposed(right), "transposed", 3),
        (right, left, "operand_order", 0),
        (_transposed(right), left, "operand_order", 1),
        (right, _transposed(left), "operand_order", 1),
        (_transposed(right), _transposed(left), "operand_order", 2),
    ):
        new = replace(part, parts=(first, second), text="@" if part.text == "*" else part.text)
        if part.text == "*":
            kind = "hadamard_for_product"
        yield Correction(kind, path, replaced(term, path, new), written(new), written(part), weight)
    for place, other in ((0, right), (1, left)):
        lost = part.parts[place]
        yield Correction("extra_factor", (*path, place), replaced(term, path, other), "", written(lost), 3)
    yield Correction("wrong_slope", path, replaced(term, path, Term("add", part.parts)),
                     written(Term("add", part.parts)), written(part), 9)  # fmt: skip


def _summands(term: Term, path: Path, part: Term) -> Iterator[Correction]:
    left, right = part.parts
    other = "subtract" if part.kind == "add" else "add"
    yield Correction("summand_sign", (*path, 1), replaced(term, path, replace(part, kind=other)),
                     written(right), written(part))  # fmt: skip
    turned = replace(part, parts=(Term("negative", (left,)), right))
    yield Correction(
        "summand_sign", (*path, 0), replaced(term, path, turned), written(left), written(part), 1
    )
    for place, kept in ((1, left), (0, right)):
        lost = part.parts[place]
        kept = Term("negative", (kept,)) if place == 0 and part.kind == "subtract" else kept
        yield Correction("extra_summand", (*path, place), replaced(term, path, kept), "", written(lost))


def _elements(term: Term, path: Path, part: Term, letters: set[str]) -> Iterator[Correction]:
    """Indices exchanged, another index, a neighbouring step."""
    for first in range(len(part.parts) - 1):
        indices = list(part.parts)
        indices[first], indices[first + 1] = indices[first + 1], indices[first]
        new = replace(part, parts=tuple(indices))
        yield Correction("transposed", path, replaced(term, path, new), written(new), written(part))
    for place, index in enumerate(part.parts):
        if index.kind == "name":
            for other in sorted(letters - {index.text}):
                indices = list(part.parts)
                indices[place] = replace(index, text=other)
                new = replace(part, parts=tuple(indices))
                yield Correction("wrong_index", path, replaced(term, path, new), written(new), written(part))
            for sign in ("subtract", "add"):
                moved = Term(sign, (index, number(1)))
                yield _shifted(term, path, part, place, moved)
        elif index.kind in ("add", "subtract") and index.parts[0].kind == "name":
            yield _shifted(term, path, part, place, index.parts[0])
            other = "subtract" if index.kind == "add" else "add"
            yield _shifted(term, path, part, place, replace(index, kind=other))


def _shifted(term: Term, path: Path, part: Term, place: int, index: Term) -> Correction:
    indices = list(part.parts)
    indices[place] = index
    new = replace(part, parts=tuple(indices))
    return Correction("shifted", path, replaced(term, path, new), written(new), written(part))


def _sums(term: Term, path: Path, part: Term) -> Iterator[Correction]:
    """Sums over an axis more or less, over another axis, means."""
    if part.kind == "call" and part.text in ("sum", "mean"):
        inner, options = part.parts, part.options
        other = "mean" if part.text == "sum" else "sum"
        kind = "sum_for_mean" if part.text == "sum" else "mean_for_sum"
        new = replace(part, text=other)
        yield Correction(kind, path, replaced(term, path, new), written(new), written(part))
        turned = replace(part, options={**options, "keepdims": not options.get("keepdims")})
        yield Correction("kept_axes", path, replaced(term, path, turned), written(turned), written(part))
        for axis in (0, 1, 2, (0, 1), None):
            if axis != options.get("axis"):
                new = replace(part, options={**options, "axis": axis})
                yield Correction("wrong_axis", path, replaced(term, path, new), written(new), written(part))
        yield Correction(
            "extra_sum_index", path, replaced(term, path, inner[0]), written(inner[0]), written(part)
        )
    elif part.kind == "over":
        for place, index in enumerate(part.names):
            rest = part.names[:place] + part.names[place + 1 :]
            new = replace(part, names=rest) if rest else part.parts[0]
            yield Correction("extra_sum_index", path, replaced(term, path, new), written(new), f"Σ_{index}")
    if not path:
        for axis in (0, 1, (0, 1), -1):
            new = call("sum", part, axis=axis)
            yield Correction("missing_sum", path, new, written(new), written(part), 0 if axis == 0 else 1)
        for index in sorted(index_names(term)):
            new = Term("over", (part,), "sum", names=(index,))
            yield Correction("missing_sum", path, new, f"Σ_{index}", "", 0)
            if part.kind == "over":
                more = replace(part, names=(*part.names, index))
                yield Correction("missing_sum", path, more, f"Σ_{index}", "", 0)


def _symbols(term: Term, path: Path, part: Term, arrays: Mapping[str, int]) -> Iterator[Correction]:
    """Another array of as many axes."""
    ndim = arrays.get(part.text)
    for name, axes in arrays.items():
        if name != part.text and axes == ndim:
            new = replace(part, text=name)
            yield Correction("wrong_symbol", path, replaced(term, path, new), written(new), written(part))


def _slope_forms(base: Term) -> list[Term]:
    """What derivatives of activations look like, in their output or their input."""
    one = number(1)
    square = Term("power", (base, number(2)))
    forms = [
        Term("subtract", (one, square)),
        product(base, Term("subtract", (one, base)), "*"),
        Term("compare", (base, number(0)), ">"),
        Term("subtract", (one, base)),
        base,
    ]
    for function in ("tanh", "sigmoid"):
        value = call(function, base)
        squared = Term("power", (value, number(2)))
        own = Term("subtract", (one, squared if function == "tanh" else value))
        forms.append(own if function == "tanh" else product(value, own, "*"))
    return forms


def _bases(term: Term, arrays: Mapping[str, int]) -> list[Term]:
    """What an activation's slope may be of: whole arrays, or elements with indices that are there."""
    found = [Term("name", text=name) for name, ndim in arrays.items() if ndim]
    indices: dict[int, list[tuple[Term, ...]]] = {}
    for _, part in walk(term):
        if part.kind == "element" and not any(each.kind == "slice" for each in part.parts):
            own = indices.setdefault(len(part.parts), [])
            if not any([written(a) for a in each] == [written(b) for b in part.parts] for each in own):
                own.append(part.parts)
    if not indices:
        return found
    return [
        Term("element", places, name) for name, ndim in arrays.items() for places in indices.get(ndim, [])
    ]


def _factors(term: Term, arrays: Mapping[str, int], used: Sequence[str]) -> Iterator[Correction]:
    """A factor more: the slope of an activation, or an array."""
    bases = _bases(term, arrays)
    for path, part in walk(term):
        parent = at(term, path[:-1]) if path else None
        # Within a product every place multiplies alike; a matrix product's operands do not.
        if part.kind in ("number", "slice", "compare") or (parent is not None and parent.kind == "power"):
            continue
        for base in bases:
            for place, form in enumerate(_slope_forms(base)):
                new = product(part, form, "*")
                weight = place + (0 if base.text in used else 20)
                yield Correction(
                    "missing_factor", path, replaced(term, path, new), written(form, 3), "", weight
                )


def _slopes(term: Term, arrays: Mapping[str, int]) -> Iterator[Correction]:
    """Another slope in the place of a part that looks like one."""
    bases = _bases(term, arrays)
    for path, part in walk(term):
        if part.kind in ("subtract", "compare", "product", "power", "name", "element"):
            for base in bases:
                for place, form in enumerate(_slope_forms(base)[:3]):
                    yield Correction("wrong_slope", path, replaced(term, path, form),
                                     written(form, 3), written(part, 3), place)  # fmt: skip
