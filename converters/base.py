"""The contract of a target layout: a name, a schema, and two pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding
from svit_datasets.kernels.forward.plain_records import NativeRun
from svit_datasets.records import HubRecord, NativeRecord, TaskName

if TYPE_CHECKING:
    from svit_datasets.images.known import Resolved

Outcome = Literal["restored", "edited", "inferred", "foreign"]


class Row(NamedTuple):
    """A hub record in a target layout.

    Attributes:
        row: The JSON object; None when it must not be written.
        findings: What is wrong with the record, with JSON paths; errors where ``row`` is None.
        provenance: What the way back needs, when it goes elsewhere than into the row.
    """

    row: Mapping[str, Any] | None
    findings: list[Finding]
    provenance: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """A row on its way back to the hub.

    Attributes:
        outcome: ``restored`` value for value, ``edited`` after conversion, ``inferred`` without provenance, or
            ``foreign`` to SVIT.
        record: The hub record; None when foreign or at fault.
        findings: What is wrong with the row.
        inferred: What was worked out and how often, for the report.
        row_id: The row's id, for messages.
    """

    outcome: Outcome
    record: HubRecord | None = None
    findings: list[Finding] = field(default_factory=list)
    inferred: Mapping[str, float] = field(default_factory=dict)
    row_id: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of several native records as bytes.

    Attributes:
        end: Number behind the last record that they are of, in its run.
        count: How many.
        pairs: Their questions and answers.
        data: The rows, a comma and a line break between them; until the next are written.
        first: The first of them.
    """

    end: int
    count: int
    pairs: int
    data: memoryview
    first: memoryview


class RunWriter(Protocol):
    """What writes the rows of plain native records of one task, as ``to_rows`` makes them."""

    def places(self, run: NativeRun, resolved: Sequence[Resolved], copies: Sequence[int]) -> Any:
        """Return what ``write`` needs to know of the image of each record.

        Args:
            run: The records.
            resolved: The image of each; with errors, its record is left to a closer look.
            copies: How often it came before.
        """

    def write(self, run: NativeRun, first: int, position: int, places: Any) -> Rows:
        """Write the rows of records, up to one that needs a closer look.

        Args:
            run: The records.
            first: Number of the first to write, from 0.
            position: Its position among the records of its task.
            places: See ``places``.

        Returns:
            The rows; none where already the first record needs a closer look.
        """


@dataclass(frozen=True, kw_only=True)
class Format:
    """A target layout.

    Attributes:
        name: Its name on the command line, in docs and file names.
        title: Its name for people.
        schema: Name of the schema that written rows must fit.
        container: What the file is.
        box_convention: How boxes are written, in words.
        losses: What the layout cannot carry, in words; empty where provenance restores everything.
        to_row: Hub record and options to a row. Pure.
        from_row: A row's JSON text, provenance kept elsewhere by id (or None), the size of an image by id, and options
            to a hub record. Pure but for the sizes.
        options: Makes the options, all with defaults.
        to_rows: The same as ``to_row`` for all conversations of a native record at once (the hub record is that of its
            first), for records in which nothing is out of the ordinary; gives None for all others. Pure.
        open_runs: Gives what writes the rows of many such records at once, by their task; None where nothing can.
    """

    name: str
    title: str
    schema: str
    container: Literal["json-list", "json-lines"]
    box_convention: str
    losses: tuple[str, ...]
    to_row: Callable[[HubRecord, Any], Row]
    from_row: Callable[
        [bytes | memoryview, Callable[[str], bytes | None] | None, Callable[[int], Size | None], Any], Back
    ]
    options: Callable[..., Any]
    to_rows: Callable[[HubRecord, NativeRecord, Any], Sequence[Mapping[str, Any]] | None] = lambda *_: None
    open_runs: Callable[[Any], Callable[[TaskName], RunWriter] | None] = lambda _: None
