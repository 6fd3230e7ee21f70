"""Languages have names and codes, and texts have languages."""

# ruff: noqa: RUF001  (other scripts have letters that look like ours)

from __future__ import annotations

import pytest

from synth.algorithms.languages import CODES, code_of, identify, is_language

TEXTS = {
    "en": "The heron waits in shallow water until a fish swims near.",
    "de": "Der Reiher wartet im flachen Wasser, bis ein Fisch naht.",
    "fr": "Le héron attend dans l'eau peu profonde qu'un poisson approche.",
    "es": "La garza espera en aguas poco profundas hasta que se acerca un pez.",
    "it": "L'airone aspetta nell'acqua bassa finché un pesce si avvicina.",
    "pt": "A garça espera em águas rasas até que um peixe se aproxime.",
    "nl": "De reiger wacht in ondiep water tot er een vis nadert.",
    "pl": "Czapla czeka w płytkiej wodzie, aż podpłynie ryba.",
    "tr": "Balıkçıl, bir balık yaklaşana kadar sığ suda bekler.",
    "ru": "Цапля ждёт на мелководье, пока не подплывёт рыба.",
    "uk": "Чапля чекає на мілководді, доки не підпливе риба.",
    "zh": "苍鹭在浅水中等待，直到有鱼游近。",
    "ja": "サギは魚が近づくまで浅瀬で待つ。",
    "ar": "ينتظر مالك الحزين في المياه الضحلة حتى تقترب سمكة.",
    "hi": "बगुला उथले पानी में मछली के आने तक इंतज़ार करता है।",
    "ko": "왜가리는 물고기가 다가올 때까지 얕은 물에서 기다린다.",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_sentence_is_in_its_own_language_and_in_no_other(code: str) -> None:
    assert identify(TEXTS[code])[0] == code
    others = [other for other in TEXTS if other != code]
    assert is_language(TEXTS[code], code, 0.5)
    assert not [other for other in others if is_language(TEXTS[code], other, 0.5)]


@pytest.mark.parametrize("text", ["怎样磨菜刀", "五月去奥斯陆的便宜机票", "火山为什么会喷发"])
def test_chinese_without_kana_is_not_japanese(text: str) -> None:
    assert is_language(text, "zh", 0.5)


@pytest.mark.parametrize("text", ["包丁の研ぎ方", "五月のオスロ行き格安航空券"])
def test_kana_make_a_text_japanese(text: str) -> None:
    assert is_language(text, "ja", 0.5)
    assert not is_language(text, "zh", 0.5)


@pytest.mark.parametrize("text", ["", "42", "1815-04", "?!"])
def test_a_text_without_letters_is_in_no_language_for_sure(text: str) -> None:
    assert is_language(text, "en", 0.5)
    assert is_language(text, "ja", 0.5)


def test_a_language_has_one_code_whatever_its_case_or_region() -> None:
    assert len(CODES) == len(set(CODES.values())) == 90
    assert all(code_of(name.upper()) == code_of(code) == code for name, code in CODES.items())
    assert (code_of("pt-BR"), code_of("zh_TW"), code_of(" German ")) == ("pt", "zh", "de")
    assert code_of("the same language") is code_of("") is None


def test_forms_of_one_language_are_not_told_apart() -> None:
    croatian = "Čaplja čeka u plitkoj vodi dok se riba ne približi."
    assert is_language(croatian, "hr", 0.5)
    assert is_language(croatian, "sr", 0.5)
    assert is_language(croatian, "bs", 0.5)
