"""Words of all reports, in English and in Chinese.

Each module of this folder has a dictionary WORDS: key -> (English, Chinese), with places as in
str.format. Both languages stand in one row, so that neither can be forgotten. Keys begin with the name
of their module: `flow.rate` is in flow.py.

    words = Words("zh")
    words("flow.rate", rate=0.61)

One term for one idea, in Chinese as in English:

    back-propagation  反向传播 (through time: 随时间)    batch size  批量大小; one batch  批次
    gradient  梯度; upstream  上游; local  局部           pre-activation  净输入
    error term  误差项                                   hidden, cell state  隐藏状态、细胞状态
    rate per step  每步倍数                              gate  门; unit  单元; saturated  饱和
    contribution  贡献; share  份额                      time step  时间步; training step  训练步
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from deltarule.errors import ArgumentError

LANGUAGES = ("en", "zh")


class Words:
    """The words of one language. Raises ArgumentError for one that there is not.

    >>> Words("zh").language
    'zh'
    """

    def __init__(self, language: str = "en"):
        if language not in LANGUAGES:
            raise ArgumentError(
                "report", f"language expects one of {', '.join(LANGUAGES)}, got {language!r}", "Use 'en'."
            )
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, **values: Any) -> str:
        row = catalogue(key.partition(".")[0])[key]
        return row[self._column].format(**values) if values else row[self._column]

    def under(self, prefix: str) -> dict[str, str]:
        """All words whose key begins with `prefix` and a dot, by the rest of their key."""
        rows = catalogue(prefix.partition(".")[0])
        start = f"{prefix}."
        return {key[len(start) :]: row[self._column] for key, row in rows.items() if key.startswith(start)}


@cache
def catalogue(module: str) -> dict[str, tuple[str, str]]:
    """The rows of one module of this folder."""
    return import_module(f"{__name__}.{module}").WORDS
