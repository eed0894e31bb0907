"""The report of a run: what was read, written, left out, mended and inferred, and every finding."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from svit_datasets import VERSION
from svit_datasets.check import validator
from svit_datasets.errors import FindingsError, SvitError, SvitWarning, UsageError, choose
from svit_datasets.findings import Finding
from svit_datasets.reading.containers import fault_error
from svit_datasets.remote.names import shown_name
from svit_datasets.writing.writers import (
    JsonList,
    Output,
    OutputSet,
    close_quietly,
    encode_ascii,
    is_same,
    refuse_target,
)

OnError = Literal["raise", "skip", "collect"]
SHOWN = 20


class Report:
    """What a run did. Findings beyond the first 20 go to a temporary file, so that memory stays flat.

    Attributes:
        command: What was run.
        counts: Records and conversations by what became of them.
        inferred: What was worked out without provenance.
        unknowable: What the input does not hold, in words.
        outputs: Files written, with their numbers of records; empty where the run failed.
        by_code: How often each fault was found.
        first: The first 20 findings.
        shards: Number of shards of the run; 0 where it is not in shards.
        shards_there: How many of them an earlier, interrupted run had finished.
    """

    def __init__(
        self,
        command: str,
        *,
        inputs: Iterable[str | Path],
        options: Mapping[str, Any],
        on_error: OnError = "raise",
        keep_all: bool = False,
    ) -> None:
        choose("on_error", on_error, ("raise", "skip", "collect"))
        self.command = command
        self.inputs = [shown_name(str(i)) for i in inputs]
        self.options = dict(options)
        self.on_error = on_error
        self.counts: Counter[str] = Counter()
        self.inferred: dict[str, float] = {}
        self.unknowable: dict[str, str] = {}
        self.outputs: dict[str, int] = {}
        self.by_code: Counter[str] = Counter()
        self.errors = 0
        self.first: list[Finding] = []
        self.shards = self.shards_there = 0
        self._latest: Finding | None = None
        self._keep_all = keep_all
        self._spool: IO[bytes] | None = None
        self._copy: Output | None = None

    def copy_to(self, output: Output) -> None:
        """Write each finding to ``output`` too, as a line of JSON."""
        self._copy = output

    def add(self, fault: Finding) -> None:
        """Take down a finding; an error stops the run where the policy is ``raise``.

        Raises:
            InputError: The fault is of a whole file.
            RecordError: The fault is of one record.
        """
        self._take(fault)
        if fault.severity != "error":
            return
        self.errors += 1
        if self.on_error == "raise":
            raise fault_error(fault)

    def _take(self, fault: Finding) -> None:
        self._latest = fault
        self.by_code[fault.code] += 1
        if len(self.first) < SHOWN:
            self.first.append(fault)
        for spool in (self._spool, self._copy):
            if spool is not None:
                spool.write(encode_ascii(fault) + b"\n")

    def infer(self, counts: Mapping[str, float]) -> None:
        """Add counts of what was inferred; a name that ends in ``_max`` keeps the largest."""
        for name, value in counts.items():
            if value:
                before = self.inferred.get(name, 0)
                self.inferred[name] = max(before, value) if name.endswith("_max") else before + value

    def finish(self) -> None:
        """Fail where the policy is ``collect`` and errors were found.

        Raises:
            FindingsError: With the first finding in its message.
        """
        if self.on_error == "collect" and self.errors:
            first = next((f for f in self.first if f.severity == "error"), None)
            raise FindingsError(
                f"{self.errors} faults found and nothing written; the first: {first}", first, tuple(self.first)
            )

    def warn(self) -> None:
        """Say in one ``SvitWarning`` what was found; nothing where nothing was."""
        if self.by_code:
            lines = [f"{count:,} {code}" for code, count in self.by_code.most_common()]
            text = "\n  ".join([f"{self.command}: {', '.join(lines)}; the first:", *map(str, self.first[:3])])
            warnings.warn(text, SvitWarning, stacklevel=3)

    def head(self) -> dict[str, Any]:
        """Return the report without its findings."""
        return {
            "tool": "svit-datasets",
            "version": VERSION,
            "command": self.command,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "options": self.options,
            "counts": dict(self.counts),
            "inferred": {k: round(v, 9) for k, v in self.inferred.items()},
            "unknowable": self.unknowable,
            "findings_by_code": dict(self.by_code),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report with its first 20 findings; all of them are in the file that was asked for."""
        return {**self.head(), "findings": [msgspec.to_builtins(f) for f in self._findings()]}

    def _findings(self) -> Iterable[Finding]:
        if self._spool is None:
            yield from self.first
            return
        self._spool.seek(0)
        for line in self._spool:
            yield msgspec.convert(json.loads(line), Finding)  # names of files may be no UTF-8

    def write(self, path: str | Path, outputs: OutputSet) -> None:
        """Write the report as JSON, checked against its schema, to appear with the rest of ``outputs``."""
        head = self.head()
        wrong = validator("report")({**head, "findings": []})
        assert not wrong, wrong
        file = outputs.open(path)
        file.write(encode_ascii(head)[:-1] + b',"findings":')
        findings = JsonList(file)
        for fault in self._findings():
            findings.append(encode_ascii(fault))
        findings.close()
        file.write(b"}\n")

    @contextmanager
    def open_outputs(
        self, report: str | Path | None, *, inputs: Iterable[str | Path], overwrite: bool
    ) -> Iterator[OutputSet]:
        """Open the outputs of a run; the report appears with them, or alone where the run fails on its findings."""
        self._spool = tempfile.TemporaryFile() if self._keep_all else None
        try:
            with OutputSet(inputs=inputs, overwrite=overwrite) as outputs:
                yield outputs
                self.finish()
                if report is not None:
                    self.write(report, outputs)
        except SvitError as error:
            self.outputs = {}
            if error.finding is not None and error.finding is not self._latest and not isinstance(error, FindingsError):
                self._take(error.finding)
            if report is not None and error.finding is not None:
                with OutputSet(inputs=inputs, overwrite=overwrite) as alone:
                    self.write(report, alone)
            raise
        finally:
            if self._spool is not None:
                close_quietly(self._spool)
                self._spool = None


def refuse_report(
    path: str | Path, inputs: Iterable[str | Path], outputs: Iterable[str | Path | None], *, overwrite: bool
) -> None:
    """Raise ``UsageError`` before a long run where its report could not be written as ``path``."""
    refuse_target(path, inputs=inputs, overwrite=overwrite)
    if any(o is not None and is_same(o, path) for o in outputs):
        raise UsageError(f"{path}: is named for two outputs; name another")
