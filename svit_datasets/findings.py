"""The record of one fault: what was found, where, and how to mend it."""

from __future__ import annotations

import msgspec

from svit_datasets.rules import RULES, Severity


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault, with its place.

    Attributes:
        code: Key of ``RULES``.
        severity: ``error``, ``warning`` or ``note``.
        file: The input as the user named it.
        record: Number of the record in that file, from 1.
        id: ``image_id`` of a native record, ``id`` of a LLaVA record.
        path: JSON path inside the record, from ``$``.
        found: What stands there.
        expected: What should stand there.
        mend: What to do.
    """

    code: str
    severity: Severity
    found: str
    expected: str
    mend: str
    file: str = ""
    record: int = 0
    id: str = ""
    path: str = ""

    def __str__(self) -> str:
        """Return ``FILE:RECORD id=ID PATH: found ...; expected ...; mend [code]``.

        >>> print(finding("turn-empty", "''", file="a.json", record=812, id=42, path="$.conversations[0]"))
        a.json:812 id=42 $.conversations[0]: found ''; expected text; drop the pair: an empty value \
makes the whole conversation train on zero tokens [turn-empty]
        """
        where = f"{self.file}:{self.record}" if self.record else self.file
        place = " ".join(x for x in (where, f"id={self.id}" if self.id else "", self.path) if x)
        head = f"{place}: " if place else ""
        return printable(f"{head}found {self.found}; expected {self.expected}; {self.mend} [{self.code}]")

    def at(self, *, file: str = "", record: int = 0, id: str | int = "", path: str = "") -> Finding:
        """Return the finding with the parts of its place filled in that it does not have yet.

        >>> finding("turn-empty", "''", path="$.x").at(file="a.json", record=3, path="$.y").path
        '$.x'
        """
        return msgspec.structs.replace(
            self,
            file=self.file or file,
            record=self.record or record,
            id=self.id or str(id),
            path=self.path or path,
        )


def finding(
    code: str,
    found: str,
    *,
    file: str = "",
    record: int = 0,
    id: str | int = "",
    path: str = "",
    expected: str | None = None,
    mend: str | None = None,
) -> Finding:
    """Make a finding of the kind ``code``; the rule's words stand where none are given.

    >>> finding("turn-odd", "3 turns").severity
    'error'
    """
    rule = RULES[code]
    return Finding(
        code=code,
        severity=rule.severity,
        found=found,
        expected=rule.expected if expected is None else expected,
        mend=rule.mend if mend is None else mend,
        file=file,
        record=record,
        id=str(id),
        path=path,
    )


def printable(text: str) -> str:
    """Return ``text`` with what a terminal would act on, and line breaks, written out.

    >>> printable("a\\x1b[31m\\nb, caf\\u00e9")
    'a\\\\x1b[31m\\\\nb, caf\u00e9'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def quote(text: str, *, limit: int = 80) -> str:
    """Return ``text`` quoted, in ASCII, shortened in the middle to about ``limit`` characters.

    >>> quote("a" * 10, limit=6)
    "'aaa...aaa'"
    >>> quote("\\u2019")
    "'\\\\u2019'"
    """
    half = limit // 2
    return ascii(text if len(text) <= limit else f"{text[:half]}...{text[-half:]}")
