"""Names of people who do not exist, as many as there are asked for, no two alike."""

from __future__ import annotations

from itertools import product
from random import Random

_GIVEN = (
    "Ada", "Alma", "Anton", "Bela", "Bruno", "Carla", "Cyril", "Dalia", "Darius", "Edda", "Emil",
    "Esther", "Fabio", "Freya", "Gerda", "Gideon", "Hanna", "Hugo", "Ida", "Igor", "Ines", "Ivo",
    "Jana", "Jonas", "Karl", "Kira", "Lea", "Leon", "Lotte", "Lucio", "Mara", "Milan", "Mina",
    "Nadia", "Nils", "Nora", "Olga", "Omar", "Otto", "Paula", "Petra", "Rafael", "Rosa", "Ruben",
    "Sara", "Silas", "Stella", "Tamar", "Tariq", "Thea", "Tomas", "Uma", "Ursula", "Vera", "Viktor",
    "Wanda", "Xenia", "Yara", "Yusuf", "Zita",
)  # fmt: skip
_FAMILY = (
    "Abel", "Adler", "Almeida", "Bauer", "Becker", "Bianchi", "Blom", "Castro", "Cerny", "Conti",
    "Costa", "Dahl", "Dimas", "Dubois", "Egger", "Eriksen", "Farkas", "Ferrer", "Fischer", "Garcia",
    "Gruber", "Haas", "Hansen", "Horvat", "Ivanov", "Jansen", "Kaya", "Keller", "Kovacs", "Kruger",
    "Lang", "Larsen", "Leroy", "Lindt", "Lopez", "Maier", "Marino", "Meyer", "Moreau", "Navarro",
    "Nielsen", "Novak", "Olsen", "Ortega", "Pavlov", "Petrov", "Quist", "Ricci", "Rossi", "Santos",
    "Schmid", "Silva", "Soto", "Tanaka", "Torres", "Ulrich", "Vogel", "Wagner", "Weiss", "Zeman",
)  # fmt: skip
_MIDDLE = ("", *(f" {letter}." for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
MOST_PEOPLE = len(_GIVEN) * len(_FAMILY) * len(_MIDDLE)


def people(count: int, draw: Random) -> list[str]:
    """So many names in random order; those with a middle initial only where it takes them.

    Raises:
        ValueError: If there are not so many.
    """
    if count > MOST_PEOPLE:
        raise ValueError(f"{count:,} names were asked for; there are {MOST_PEOPLE:,}")
    names: list[str] = []
    for middle in _MIDDLE:
        if len(names) >= count:
            break
        own = [f"{given}{middle} {family}" for given, family in product(_GIVEN, _FAMILY)]
        draw.shuffle(own)
        names += own[: count - len(names)]
    return names
