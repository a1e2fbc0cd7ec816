"""The record of a data set: its arrays, its three parts, and a description for the run folder.

Pure data: reading files, splitting and preprocessing happen elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from deltarule.errors import ShapeError

if TYPE_CHECKING:
    from deltarule.data.preprocessing import Preprocessing
    from deltarule.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs and targets of one part of a data set, ready for a network.

    inputs    (rows, ...) float32; for text the tokens (characters,) int64
    targets   class indices (rows,) int64, numbers (rows, outputs) float32, or for text the next token
              at each position (characters,) int64; None where new data has no targets
    rows      (rows,) number of each row in the source, counted from 0, or None where it has no meaning

    Raises ShapeError if inputs and targets differ in length.

        >>> len(Part(np.zeros((3, 2), np.float32), np.array([0, 1, 1])))
        3
    """

    inputs: np.ndarray
    targets: np.ndarray | None
    rows: np.ndarray | None = None

    def __post_init__(self):
        for name, array in (("targets", self.targets), ("rows", self.rows)):
            if array is not None and len(array) != len(self.inputs):
                raise ShapeError(
                    "Part",
                    f"expected as many {name} as inputs, got {len(array)} {name}, {len(self.inputs)} inputs",
                    "Each input needs its own.",
                )

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        targets = None if self.targets is None else self.targets.shape
        return f"Part(inputs={self.inputs.shape} {self.inputs.dtype}, targets={targets})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, split and preprocessed.

    name            a named set's name, or the file's
    kind            "classification", "regression" or "text"
    inputs          every row in the order of the source, before standardisation: images
                    (rows, channels, height, width), a table (rows, features) with missing cells filled and
                    categories as 0 and 1, or the tokens of a text (characters,)
    targets         the same for the targets; for text the next token
    train, validation, test   the parts, standardised with the statistics of `train`; may be empty
    preprocessing   does to new data what was done to this
    feature_names   names of the features of a table; empty otherwise
    class_names     names of the classes, in the order of the indices; empty unless classification
    vocabulary      the characters of a text, else None
    source          what load was called with: a name, or an absolute path
    options         the options of that call, so that the same data can be loaded again
    notes           sentences on what was decided or left out while reading
    sha256          fingerprint of the content of the source, before splitting

        >>> from deltarule.data import load
        >>> digits = load("digits")
        >>> digits.input_shape, digits.outputs, len(digits.train)
        ((1, 8, 8), 10, 1258)
    """

    name: str
    kind: str
    inputs: np.ndarray
    targets: np.ndarray
    train: Part
    validation: Part
    test: Part
    preprocessing: Preprocessing
    sha256: str
    seed: int
    fractions: dict
    source: str
    path: str | None = None
    options: dict = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of a table, in the order of the last axis; empty otherwise."""
        return self.preprocessing.feature_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices; empty unless classification."""
        return self.preprocessing.class_names

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The characters of a text, else None."""
        return self.preprocessing.vocabulary

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample as a network gets it; () for text, whose samples are single tokens."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def outputs(self) -> int:
        """How many numbers a network has to give for each sample: classes, outputs or characters."""
        return self.preprocessing.outputs

    @property
    def parts(self) -> dict[str, Part]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(part)}" for name, part in self.parts.items())
        shapes = f"input shape {self.input_shape}, {self.outputs} outputs"
        return f"Dataset({self.name!r}, {self.kind}, {shapes}, {sizes})"

    def description(self) -> dict:
        """Everything that identifies the data and what was done to it, as plain values for JSON.

        A run folder keeps it: load_again(description) loads the same data, and matches() tells whether
        the source has changed since. It holds no rows of the data; the statistics, categories and
        vocabulary are under "preprocessing".
        """
        return {
            "name": self.name,
            "kind": self.kind,
            "source": self.source,
            "path": self.path,
            "options": dict(self.options),
            "sha256": self.sha256,
            "seed": self.seed,
            "fractions": dict(self.fractions),
            "sizes": {name: len(part) for name, part in self.parts.items()},
            "shape": list(self.inputs.shape),
            "input_shape": list(self.input_shape),
            "outputs": self.outputs,
            "feature_names": list(self.feature_names),
            "class_names": list(self.class_names),
            "vocabulary": list(self.vocabulary.symbols) if self.vocabulary else None,
            "preprocessing": self.preprocessing.to_dict(),
            "notes": list(self.notes),
        }

    def matches(self, description: dict) -> list[str]:
        """Tell how this data set differs from a description; an empty list if it is the same data.

        description   what description() gave, perhaps after a round trip through JSON
        returns       one sentence for each difference. Name, place and notes do not count: the same
                      content under another path is the same data.
        """
        ours = self.description()
        differences = []
        for key, said in (
            ("kind", "kind"),
            ("sha256", "content (sha256)"),
            ("shape", "shape of the inputs"),
            ("seed", "seed of the split"),
            ("fractions", "fractions of the split"),
            ("sizes", "sizes of the parts"),
            ("input_shape", "shape of one sample"),
            ("outputs", "number of outputs"),
            ("feature_names", "feature names"),
            ("class_names", "class names"),
            ("vocabulary", "vocabulary"),
            ("preprocessing", "preprocessing statistics"),
        ):
            if ours[key] != description.get(key):
                differences.append(_difference(said, description.get(key), ours[key]))
        return differences


def _difference(said: str, recorded, found) -> str:
    shown_recorded, shown_found = str(recorded), str(found)
    if max(len(shown_recorded), len(shown_found)) > 120:
        return f"{said} differs from the recorded one"
    return f"{said}: recorded {shown_recorded}, found {shown_found}"
