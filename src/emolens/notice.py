"""What a deployer tells those exposed to an emotion recognition system: Regulation (EU) 2024/1689, Article 50(3).

The English text is ours; the others are drafts, and each says so in its first line. What stands in brackets only the
deployer knows. None of them is legal advice.
"""

from __future__ import annotations

from importlib import resources

from emolens.errors import UnknownName

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "zh": "中文", "ja": "日本語"}
"""Codes (ISO 639-1) of the languages that there are, and what each calls itself."""


def notice(language: str = "en") -> str:
    """The notice in a language. Raises `UnknownName`."""
    if language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)
    return (resources.files("emolens") / "notices" / f"{language}.txt").read_text(encoding="utf-8")
