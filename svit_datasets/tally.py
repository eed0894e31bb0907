"""Count findings by code, keep an example of each, and say it in one warning."""

from __future__ import annotations

import warnings
from collections import Counter

from svit_datasets.errors import SvitWarning
from svit_datasets.findings import Finding


class Tally:
    """Findings that do not stop a run.

    Args:
        title: What was read, for the warning.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.counts: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], Finding] = {}

    def add(self, fault: Finding, outcome: str) -> None:
        """Count a finding; ``outcome`` says what became of it, such as ``set to null``."""
        key = fault.code, outcome
        self.counts[key] += 1
        self.examples.setdefault(key, fault)

    def has(self, code: str, outcome: str) -> bool:
        """Tell whether there is an example already."""
        return (code, outcome) in self.examples

    def lines(self) -> list[str]:
        """Return a line for each code, with its count and first example.

        >>> from svit_datasets.findings import finding
        >>> tally = Tally("train")
        >>> tally.add(finding("image-missing", "no 5.jpg", id=5), "row left out")
        >>> tally.lines()
        ['1 image-missing (row left out), e.g. id=5: found no 5.jpg; expected the image under --images; fetch the \
image, or leave its records out (--on-error skip takes the rest) [image-missing]']
        """
        return [
            f"{count:,} {code} ({outcome}), e.g. {self.examples[code, outcome]}"
            for (code, outcome), count in self.counts.items()
        ]

    def warn(self) -> None:
        """Say what was found in one ``SvitWarning``; nothing where nothing was."""
        if self.counts:
            text = "\n  ".join([f"{self.title}:", *self.lines()])
            warnings.warn_explicit(text, SvitWarning, filename="svit_datasets", lineno=1)  # no line of ours to show
