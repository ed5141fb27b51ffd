"""`emolens notice`: the text that a deployer owes to those exposed."""

from __future__ import annotations

from typing import Annotated

import typer

Language = Annotated[
    str, typer.Option("--language", "-l", metavar="CODE", help="en, or as a draft: de, fr, es, zh, ja.")
]


def notice(language: Language = "en") -> None:
    """Print the notice for those exposed to emotion recognition (EU AI Act, Art. 50(3)); fill in the brackets."""
    from emolens.notice import notice

    typer.echo(notice(language.lower()), nl=False)
