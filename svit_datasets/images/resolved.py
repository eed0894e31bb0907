"""What is known of one image."""

from __future__ import annotations

from typing import NamedTuple

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding


class Resolved(NamedTuple):
    """What is known of an image.

    Attributes:
        path: Where LLaVA's loader looks for it; "" when the id is unknown.
        size_wh: Width and height in stored pixels; None when nothing tells.
        findings: What is wrong with it, without a place.
    """

    path: str
    size_wh: Size | None
    findings: tuple[Finding, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether nothing can be made of records of the image."""
        return any(fault.severity == "error" for fault in self.findings)
