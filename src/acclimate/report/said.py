"""What the report says, in two languages: English that carries its Chinese.

A :class:`Said` is a plain English string to whoever measures, cuts or prints it. In a page it becomes an element with
both, of which the page's script shows the one that is chosen. Without scripts it stays English.
"""

import re
from collections.abc import Iterable
from typing import Self

from markupsafe import Markup

from acclimate.report.chinese import CHINESE


class Said(str):
    """An English text with its Chinese as ``chinese``."""

    __slots__ = ("chinese",)
    chinese: str

    def __new__(cls, english: str, chinese: str) -> Self:
        """See the class."""
        made = super().__new__(cls, english)
        made.chinese = chinese
        return made

    def __html__(self) -> Markup:
        """Markup of a text node; attributes are written by `attributes`."""
        return Markup('<span data-zh="{}">{}</span>').format(self.chinese, str(self))


def t(english: str, /, **values: object) -> Said:
    """A sentence of the catalog, with values in its places."""
    chinese = {name: value.chinese if isinstance(value, Said) else value for name, value in values.items()}
    return Said(english.format(**values), CHINESE[english].format(**chinese))


def known(text: str) -> str:
    """A word of the catalog in both languages; any other as it is."""
    return Said(text, CHINESE[text]) if text in CHINESE else text


def recognized(text: str, patterns: Iterable[str]) -> str:
    """A sentence that another part of Acclimate wrote, in both languages where it is one of the catalog's.

    Args:
        text: in English.
        patterns: templates of the catalog that it may come from.
    """
    for pattern in patterns:
        form = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(pattern))
        if found := re.fullmatch(form, text, re.DOTALL):
            return t(pattern, **{name: known(value) for name, value in found.groupdict().items()})
    return known(text)


def joined(parts: Iterable[str], english: str = " ", chinese: str = "") -> str:
    """Several texts as one, each language with its own separator."""
    given = list(parts)
    if not any(isinstance(part, Said) for part in given):
        return english.join(given)
    return Said(english.join(given), chinese.join(in_chinese(part) for part in given))


def in_chinese(text: str) -> str:
    """The Chinese of a text; of one that has none, the text itself."""
    return text.chinese if isinstance(text, Said) else text


def attributes(name: str, text: str) -> Markup:
    """An attribute such as ``aria-label``, in both languages."""
    said = Markup('{}="{}"').format(name, str(text))
    return said + Markup(' data-zh-{}="{}"').format(name, text.chinese) if isinstance(text, Said) else said
