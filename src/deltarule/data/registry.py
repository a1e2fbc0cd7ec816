"""The data sets that are known by name. None needs a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deltarule.data.arrays import Arrays
from deltarule.data.digits import PIXEL_MAXIMUM, read_digits
from deltarule.data.synthetic import sine, spirals, xor
from deltarule.data.topics import read_topics


@dataclass(frozen=True)
class NamedSet:
    """A data set known by name.

    name       what load is called with
    kind       "classification", "regression" or "text"
    about      one line for listings
    read       returns Arrays, or the text
    options    options of load that `read` takes
    settings   further keywords for building the Dataset
    aliases    other names that work as well

        >>> find_named("topics").name, find_named("digits").kind
        ('python-help', 'classification')
    """

    name: str
    kind: str
    about: str
    read: Callable[..., Arrays | str]
    options: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


_DRAWN = ("seed", "samples", "noise")

NAMED_SETS = (
    NamedSet(
        "digits",
        "classification",
        "1,797 handwritten digits, 8 x 8 pixels, 10 classes (UCI, Alpaydin & Kaynak 1998)",
        read_digits,
        settings={"scale": float(PIXEL_MAXIMUM)},
    ),
    NamedSet(
        "python-help",
        "text",
        "the help topics of Python, about 470,000 characters",
        read_topics,
        aliases=("topics", "python_help"),
    ),
    NamedSet(
        "xor",
        "classification",
        "exclusive or of two inputs: four rows, or more with noise",
        xor,
        _DRAWN,
        {"feature_names": ("a", "b")},
    ),
    NamedSet(
        "spirals",
        "classification",
        "two spirals around each other, 400 points in the plane",
        spirals,
        _DRAWN,
        {"feature_names": ("x", "y")},
    ),
    NamedSet(
        "sine",
        "regression",
        "one period of a sine with noise, 200 points",
        sine,
        _DRAWN,
        {"feature_names": ("x",)},
    ),
)


def names() -> tuple[str, ...]:
    """The names that load knows.

    >>> names()
    ('digits', 'python-help', 'xor', 'spirals', 'sine')
    """
    return tuple(named.name for named in NAMED_SETS)


def find_named(name: str) -> NamedSet | None:
    """The data set of a name or alias, or None."""
    return next((named for named in NAMED_SETS if name == named.name or name in named.aliases), None)
