"""What pages are made of: sections, tables and figures with their intervals, in one frame without a script.

A page asks no server for anything; its policy forbids it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template

from emolens.evaluation.metrics import Estimate


def framed(title: str, about: str, sections: Iterable[str], footer: str) -> str:
    """A whole page; `title`, `about` and `footer` are text, `sections` are HTML."""
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    content = "\n".join(sections)
    return template.substitute(title=escape(title), about=escape(about), content=content, footer=escape(footer))


def section(title: str, content: str, below: str = "") -> str:
    """A heading, HTML, and text below it in small print."""
    note = f'<p class="faint">{escape(below)}</p>' if below else ""
    return f"<section><h2>{escape(title)}</h2>{content}{note}</section>"


def notes(sentences: Sequence[str]) -> str:
    """Sentences as a list; nothing where there are none."""
    items = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    return f'<ul class="notes">{items}</ul>' if sentences else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Heads and cells are HTML."""
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(figure: Estimate) -> str:
    """A figure and its interval; a dash where it is not defined."""
    if math.isnan(figure.value):
        return "&ndash;"
    return f"{number(figure.value)} <small>{number(figure.low)}&ndash;{number(figure.high)}</small>"


def signed(figure: Estimate) -> str:
    """A difference and its interval."""
    return f"{figure.value:+.4f} <small>{figure.low:+.4f} &hellip; {figure.high:+.4f}</small>"


def number(value: float) -> str:
    """Four digits; a dash where it is not defined."""
    return "&ndash;" if math.isnan(value) else f"{value:.4f}"
