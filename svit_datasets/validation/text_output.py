"""Findings as text: grouped by family and code, the first of each, and a closing line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from svit_datasets.findings import printable
from svit_datasets.rules import FAMILIES, RULES, SEVERITIES
from svit_datasets.validation.results import EXAMPLES, Results


class Line(NamedTuple):
    """A line of text and how it is shown on a terminal: a severity, ``title``, ``faint`` or ''."""

    text: str
    style: str = ""


def lines_of(results: Results) -> Iterator[Line]:
    """Yield what is shown of a run's findings: gravest families first, in the order of the table of rules.

    Args:
        results: The findings.

    Yields:
        Lines, none broken.
    """
    for family, title in FAMILIES.items():
        codes = [code for code, rule in RULES.items() if rule.family == family and results.by_code[code]]
        if not codes:
            continue
        yield Line(title, "title")
        for code in codes:
            first, *_ = examples = results.examples[code]
            count = results.by_code[code]
            yield Line(f"  {first.severity}: {code}, {count:,} time{'s' * (count > 1)}", first.severity)
            yield from (Line(f"    {_place(str(fault), code)}") for fault in examples)
            if count > EXAMPLES:
                yield Line(f"    ... and {count - EXAMPLES:,} more", "faint")
    yield Line(summary(results), "title")


def _place(text: str, code: str) -> str:
    """Return a finding without the code that already stands above it."""
    return text.removesuffix(f" [{code}]")


def summary(results: Results) -> str:
    """Return the closing line.

    >>> from svit_datasets.validation.results import chosen_codes
    >>> summary(Results(chosen_codes()))
    'validate: 0 records, nothing found'
    """
    counts = [(results.by_severity[severity], severity) for severity in SEVERITIES]
    told = ", ".join(f"{count:,} {name}{'s' * (count > 1)}" for count, name in counts if count)
    records = f"{results.records:,} record{'s' * (results.records != 1)}"
    if not told:
        return f"validate: {records}, nothing found"
    return f"validate: {records}, {results.faulty:,} with findings: {told}"


def changes_of(results: Results, fix: object) -> Iterator[Line]:
    """Yield what a mended file holds and what was changed in it; nothing where none was asked for.

    Args:
        results: The findings and changes.
        fix: The mended file, None where there is none.
    """
    if fix is None:
        return
    told = ", ".join(f"{count:,} {code}" for code, count in results.changed.most_common())
    written = results.outputs[str(fix)]
    yield Line(
        printable(f"fix: wrote {fix} ({written:,} record{'s' * (written != 1)}); changed: {told or 'nothing'}"), "title"
    )
    if results.left_out:
        yield Line(f"  {results.left_out:,} left out, for they cannot be read", "error")
    if told:
        yield Line("  --report FILE lists every change", "faint")
