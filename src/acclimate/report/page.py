"""Pages: one file each, without network or clock, and without any script but our own."""

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acclimate.report.said import attributes, in_chinese, t

_NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def style() -> str:
    """The look of all pages, as CSS."""
    return _file("report.css")


def rendered(template: str, *, scripted: bool = False, **context: Any) -> str:
    """A page from a template of this package, with the style sheet and, where it is asked for, the script inside it.

    Its policy (CSP) allows these two by their hashes and nothing else, whatever a text of a user's may say.
    """
    css, script = style(), _file("report.js") if scripted else ""
    policy = ["default-src 'none'", f"style-src {_hash(css)}", "base-uri 'none'", "form-action 'none'"]
    if script:
        policy[1:1] = [f"script-src {_hash(script)}"]
        policy += ["require-trusted-types-for 'script'", "trusted-types 'none'"]
    environment = Environment(
        loader=PackageLoader("acclimate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"t": t, "attributes": attributes, "in_chinese": in_chinese, "plain": str}
    html = environment.get_template(template).render(
        css=Markup(css),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        policy="; ".join(policy),
        **context,
    )
    # Texts from users may hold control characters and half surrogate pairs, which no HTML file can.
    return _NOT_IN_HTML.sub("\ufffd", html).encode("utf-8", "replace").decode()


def _file(name: str) -> str:
    return files("acclimate.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
