"""Pages: one file each, without scripts, network or clock."""

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def style() -> str:
    """The look of all pages, as CSS."""
    return files("acclimate.report").joinpath("templates/report.css").read_text(encoding="utf-8")


def rendered(template: str, **context: Any) -> str:
    """A page from a template of this package, with the style sheet inside it."""
    css = style()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("acclimate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    html = environment.get_template(template).render(css=Markup(css), css_sha256=digest, **context)  # noqa: S704 - our own file
    # Texts from users may hold control characters and half surrogate pairs, which no HTML file can.
    return _NOT_IN_HTML.sub("\ufffd", html).encode("utf-8", "replace").decode()
