"""The help topics of the Python language: a text that every Python installation carries."""

from __future__ import annotations

import importlib

from deltarule.errors import DataError


def read_topics() -> str:
    """The texts behind help("if"), help("assert") and so on: about 470,000 characters of English and code.

    The topics follow each other in the order of their names. The text differs a little from one version of
    Python to the next.

    Raises DataError where the system has taken the texts out of its Python.
    Source: the module pydoc_data.topics of the standard library (Python Software Foundation licence).

        >>> "assert" in read_topics()
        True
    """
    try:
        # Half a megabyte, and absent from some minimal systems: it is loaded when it is asked for.
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        raise DataError(
            "python-help",
            "expected the module pydoc_data.topics, this Python has none",
            "Install the full standard library, or give the path of a text file.",
        ) from None
    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"
