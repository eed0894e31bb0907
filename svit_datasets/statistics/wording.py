"""Numbers with their nouns and verbs, as notes and closing lines say them. No I/O."""

from __future__ import annotations


def amount(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> amount(1, "record"), amount(1200, "record"), amount(2, "box")
    ('1 record', '1,200 records', '2 boxes')
    """
    ending = "es" if noun.endswith("x") else "s"
    return f"{count:,} {noun}{by_number(count, '', ending)}"


def by_number(count: int, one: str, several: str) -> str:
    """Return the words for one thing, or those for several.

    >>> by_number(1, "has", "have"), by_number(0, "has", "have")
    ('has', 'have')
    """
    return one if count == 1 else several
