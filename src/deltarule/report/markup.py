"""Markup: text that is HTML or SVG already, and the one function that makes it. All other text is escaped."""

from __future__ import annotations

from html import escape
from typing import Any

# Elements without an end tag.
_EMPTY = frozenset(("br", "hr", "img", "input", "meta", "link", "col"))


class Markup(str):
    """A piece of HTML or SVG. Only `tag` and `joined` make it, so that text of users is escaped once.

    >>> tag("p", "1 < 2")
    '<p>1 &lt; 2</p>'
    >>> tag("p", tag("b", "x"), " & y", class_="note", data_ref=3)
    '<p class="note" data-ref="3"><b>x</b> &amp; y</p>'
    """

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element. Children are escaped unless they are Markup; None and False leave out a child or attribute.

    attributes   `_` stands for `-`, and one at the end keeps a name from being Python's: class_="note".
                 True gives an attribute without a value
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        title = key.rstrip("_").replace("_", "-")
        parts.append(title if value is True else f'{title}="{escape(str(value), quote=True)}"')
    start = f"<{' '.join(parts)}>"
    if name in _EMPTY:
        return Markup(start)
    return Markup(f"{start}{joined(*children)}</{name}>")


def joined(*children: Any) -> Markup:
    """Pieces one after the other, escaped unless they are Markup."""
    return Markup(
        "".join(
            each if isinstance(each, Markup) else escape(str(each), quote=False)
            for each in children
            if each is not None and each is not False
        )
    )
