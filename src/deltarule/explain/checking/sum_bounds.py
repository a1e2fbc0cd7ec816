"""What stands below and above a Σ: indices that run over whole axes, and bounds that say so."""

from __future__ import annotations

import re

from deltarule.explain.checking.symbols import SymbolReader
from deltarule.explain.checking.tokens import pointing


class BoundsReader(SymbolReader):
    """Reads the bounds of sums."""

    def bounds(self) -> tuple[str, ...]:
        """Names of the indices below a Σ."""
        above, mark = "", self.here
        if self.skip("^"):
            above = self.group()
        if self.here.kind == "sub":
            below = self.take().text
        else:
            self.expect("_")
            below = self.group()
        partial = None
        # n ∈ B: the set is a name for all of them.
        below = below.partition("∈")[0]
        lower = re.match(r"^\s*([A-Za-zα-ω]+)\s*=\s*([01])\s*$", below)
        if lower:
            below = lower[1]
        elif "=" in below or "≠" in below or "!=" in below:
            partial = self.tokens[self.place - 1]
        if self.meets("^"):
            mark = self.take()
            above = self.group()
        if above and not self.is_last(above, lower[2] if lower else ""):
            partial = mark
        if partial is not None:
            raise pointing(
                self.text, partial.start, "expected a sum over a whole axis, such as Σ_n",
                "Write the part that is left out as a factor, e.g. [t > 0].",
            )  # fmt: skip
        found = [each.strip() for each in below.split(",")]
        if len(found) == 1 and len(found[0]) > 1 and found[0].isalpha():
            found = list(found[0])
        return tuple(found)

    def is_last(self, above: str, lower: str) -> bool:
        """Whether a sum up to here spans the axis: N from 1, N−1 from 0; not up to an index that runs."""
        name = above.removesuffix("-1") if lower != "1" else above
        if name.isdigit():
            return True
        if lower == "0" and name == above:
            return False
        return (
            bool(re.fullmatch(r"[A-Za-z][\w()\[\]+-]*", name))
            and name not in self.letters
            and (not re.search(r"[+-]", re.sub(r"[(\[].*[)\]]", "", name)))
        )
