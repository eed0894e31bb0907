"""LLaVA files for the tests of the way back: rows as ``to_llava`` writes them, then mended and damaged in many ways."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from native_files import IMAGE_IDS, LETTERS, TASKS, Maker, write_natives, write_sizes

from svit_datasets import Options, to_llava
from svit_datasets.converters.sums import whole_sum

PHRASES = ("man", "two dogs", "the \u4eba", "caf\u00e9", "a \U0001f600", "x")
WORDS = ("Why?", "so", "caf\u00e9", '"quoted"', "back\\slash", "tab\t", "\u2028", "\x7f", "\x01", "[sic]", "a, b", "\n")
TOPICS = ({}, {}, {"topic": None}, {"topic": "objects"}, {"topic": "a man's"}, {"topic": ""}, {"topic": "caf\u00e9"})
FOREIGN = (
    {"id": "n", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}], "model": ""},
    {"id": 7, "image": "coco/train2017/1.jpg", "conversations": []},
    5,
    None,
    {},
)


class Mangler:
    """Makes LLaVA files from a seed, the same in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pick, self._chance = self._random.choice, self._random.random
        self._maker = Maker(seed)

    def _several(self, make: Any, low: int, high: int) -> list[Any]:
        return [make() for _ in range(self._random.randint(low, high))]

    def _box(self) -> str:
        x, y = (sorted(self._random.sample(range(1001), 2)) for _ in "xy")
        return "[{}, {}, {}, {}]".format(*(self._pick((n / 1000, f"{n / 1000:.3f}")) for n in (x[0], y[0], x[1], y[1])))

    def _text(self) -> str:
        makers = (
            lambda: f"<st>{self._pick(PHRASES)}<ed> {', '.join(self._several(self._box, 1, 3))}",
            lambda: self._pick(WORDS),
            self._box,
        )
        return f"A {' '.join(self._several(lambda: self._pick(makers)(), 0, 5))}."

    def _conversation(self) -> dict[str, Any]:
        roles = ("user", "gpt") * self._random.randint(1, 3)
        return {**self._pick(TOPICS), "content": [{"from": role, "value": self._text()} for role in roles]}

    def native(self) -> dict[str, list[Any]]:
        """Make native files in which little is odd, or much."""
        if self._chance() < 0.3:
            return self._maker.native()
        tasks = self._random.sample(TASKS, self._random.randint(1, 4))
        return {
            task: [
                {"image_id": self._pick(IMAGE_IDS), "conversations": self._several(self._conversation, 0, 3)}
                for _ in range(self._random.randint(1, 4))
            ]
            for task in TASKS
            if task in tasks
        }

    def rows(self, folder: Path) -> list[dict[str, Any]]:
        """Make rows as ``to_llava`` writes them."""
        options = Options(
            coordinates=self._pick(("padded", "original")),
            instruction=self._chance() < 0.8,
            provenance=self._pick(("inline", "inline", "inline", "inline", "none")),
        )
        paths, output = write_natives(folder / "native", self.native()), folder / "llava.json"
        to_llava(paths, output, images=write_sizes(folder), options=options, on_error="skip", overwrite=True)
        rows: list[dict[str, Any]] = json.loads(output.read_bytes())
        return rows

    def _edit(self, row: dict[str, Any]) -> None:
        """Change something of a row."""
        svit, turns = row.get("svit", {}), row["conversations"]
        turn = self._pick(turns)
        edits = (
            lambda: turn.update(value=self._nudge(turn["value"])),
            lambda: turn.update({"from": self._pick(("gpt", "human", "system"))}),
            lambda: turns.pop(),
            lambda: svit.update(marks=self._nudge(svit.get("marks", "|"), "~|;: .0123456789")),
            lambda: svit.update(sum=self._nudge(svit.get("sum", "AAAAAAAAAA"), "AZ-_09 ")),
            lambda: svit.update(at=self._nudge(svit.get("at", "c0.0.1"), "cxrd.0123456789")),
            lambda: svit.update(at=f"{self._pick(list(LETTERS.values()))}0.{self._pick((0, 1, 2**45))}.1"),
            lambda: svit.update(topic=self._pick(("new", None, "it's"))),
            lambda: svit.update(text={"0": "So."}),
            lambda: svit.update(extra={"record": {"n": 1}}),
            lambda: row.update(image=self._pick(("vg/VG_100K/2.jpg", "/vg/VG_100K/1.jpg", "VG_100K/1.jpg", "x.jpg"))),
            lambda: row.update(id=self._pick(("x", 5, 'a"b', "caf\u00e9"))),
            lambda: row.update(model=""),
            lambda: row.pop(self._pick(list(row))),
        )
        self._pick(edits)()

    def _nudge(self, text: str, alphabet: str = 'a[]<>:;,. 0123456789\n\u00e9"\\') -> str:
        """Change, add or take away a character or two."""
        for _ in range(self._random.randint(1, 2)):
            at = self._random.randint(0, len(text))
            text = text[:at] + self._pick(("", self._pick(alphabet))) + text[at + self._random.randint(0, 1) :]
        return text

    def _sign(self, row: dict[str, Any]) -> None:
        """Give a row the sums that it needs to pass for one that was written like this."""
        svit, turns = row["svit"], row["conversations"]
        values = [t["value"] for t in turns]
        values[0] = values[0].removeprefix("<image>\n")
        from msgspec import UNSET

        roles, extra = [t["from"] for t in turns], svit.get("extra")
        told = (svit["at"], svit.get("topic", UNSET), svit.get("marks", ""), roles, values, svit.get("text", {}), extra)
        svit["sum"] = whole_sum(*told)

    def _spell(self, row: Any) -> bytes:
        """Write a row in one of the ways in which tools do."""
        spaced = {"separators": self._pick(((",", ":"), (",", ":"), (", ", ": ")))}
        text = json.dumps(row, **spaced, ensure_ascii=self._chance() < 0.7, indent=1 if self._chance() < 0.1 else None)
        if self._chance() < 0.1:
            text = re.sub(r"\\u[0-9a-f]{4}", lambda m: m[0].replace(m[0][2:], m[0][2:].upper()), text)
        if self._chance() < 0.1:
            text = text.replace("/", "\\/")
        return text.encode()

    def _row(self, row: dict[str, Any]) -> bytes:
        if self._chance() < 0.6:
            return json.dumps(row, separators=(",", ":")).encode()
        row = json.loads(json.dumps(row))
        if self._chance() < 0.6:
            self._edit(row)
            if self._chance() < 0.6 and row.get("conversations") and "sum" in row.get("svit", {}):
                self._sign(row)
        data = bytearray(self._spell(row))
        if self._chance() < 0.1:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(data)

    def file(self, folder: Path) -> bytes:
        """Make a file: rows in some order, some left out or doubled, others between, in one of the containers."""
        rows = [self._row(row) for row in self.rows(folder)]
        if self._chance() < 0.5:
            self._random.shuffle(rows)
        if self._chance() < 0.5:
            rows = [copy for row in rows for copy in [row] * self._pick((0, 1, 1, 1, 2))]
        for _ in range(self._pick((0, 0, 1, 2))):
            rows.insert(self._random.randint(0, len(rows)), self._spell(self._pick(FOREIGN)))
        if self._chance() < 0.3:
            return self._pick((b"\n", b"\r\n", b"\n\n")).join(rows) + self._pick((b"", b"\n"))
        head, tail = self._pick((b"[", b"[\n", b"\xef\xbb\xbf[")), self._pick((b"]", b"\n]\n", b"", b",]", b"] x"))
        return head + self._pick((b",\n", b",", b" , ", b"\n,\r\n\n")).join(rows) + tail
