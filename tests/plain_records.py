"""Native records for the kernels' tests: mostly plain, with what is not plain in between; spelt in every usual way."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import strategies as st
from native_files import IMAGE_IDS, Maker, dumps

WORDS = ("man", "two men", "a red car", "x", "2 dogs", "caf\u00e9", "it's", "a: b", "~", "a|b")
FILLS = (
    "Who?",
    " and ",
    "So ",
    ", ",
    ".",
    " is at ",
    "\n",
    '"quoted"',
    "a\\b",
    "\t",
    "caf\u00e9 \U0001f600",
    "]",
    "; ",
)
ODD_FILLS = (
    "<", "[", "<st>", "ASSISTANT:", "</s>", "<image>", "\x00", "\x7f", "\x1f", "\u2028", "\ud83d", "[0, 0, 1]",
    "\u00a0",
    "[0.5, 0, 0.4, 1]", "[.5, 0, 1, 1]", "[0.1234, 0, 1, 1]", "<st>(a)<ed> [0, 0, 1, 1]", "<st>a<ed>[0, 0, 1, 1]",
    "<st><ed> [0, 0, 1, 1]", "[0,0,1,1]", "[0, 0, 1.5, 1]", "[0, 0, 1, 1],[0, 0, 1, 1]", "<st>a [0, 0, 1, 1]", "/",
    "ASS<st>ISTANT: b<ed> [0, 0, 1, 1]", "<st>\u4eba<ed> [0, 0, 1, 1]", "<st>a\n\u4eba<ed> [0, 0, 1, 1]",
    "[0.50, 0, 0.5, 1.00]", "[0, 0, 1.0, 1],\n[0, 0, 1, 1]", "[0, 0, 1, 1], \u00a0[0, 0, 1, 1]", "[0, 0, 01, 1]",
)  # fmt: skip
TOPICS = ("a topic", "it's", "", 'say "so"', "\u4eba", None, "a\\b")


class PlainMaker:
    """Makes records from a seed, the same in every run.

    Args:
        seed: The seed.
        odd: Share of texts that have something odd in them.
    """

    def __init__(self, seed: int, odd: float = 0.1) -> None:
        self._random, self._odd = random.Random(seed), odd
        self._pick, self._chance = self._random.choice, self._random.random
        self._maker = Maker(seed)

    def coordinate(self, number: int) -> str:
        return (
            self._pick(("0", "0.0"))
            if not number
            else self._pick(("1", "1.0"))
            if number == 1000
            else repr(number / 1000)
        )

    def box(self) -> str:
        draw = self._random.randint
        (x1, x2), (y1, y2) = (sorted((draw(0, 1000), self._pick((0, 1000, draw(0, 1000))))) for _ in range(2))
        return f"[{', '.join(map(self.coordinate, (x1, y1, x2, y2)))}]"

    def piece(self) -> str:
        kind = self._chance()
        if kind < self._odd / 3:
            return self._pick(ODD_FILLS)
        if kind < 0.5:
            return self._pick(FILLS)
        boxes = ", ".join(self.box() for _ in range(self._random.randint(1, 2)))
        return boxes if kind < 0.6 else f"<st>{self._pick(WORDS)}<ed> {boxes}"

    def text(self) -> str:
        if self._chance() < self._odd / 3:
            return self._pick(("", " ", "\n\t", self._maker.text()))
        return "".join(self.piece() for _ in range(self._random.randint(1, 5)))

    def conversation(self) -> dict[str, Any]:
        topic = {} if self._chance() < 0.6 else {"topic": self._pick(TOPICS)}
        count = 2 * self._random.randint(1, 3)
        content = [{"from": ("user", "gpt")[i % 2], "value": self.text()} for i in range(count)]
        return {**topic, "content": content}

    def record(self) -> dict[str, Any]:
        """Make a record; of ten one may be odd as a whole."""
        if self._chance() < self._odd:
            return self._pick((self._maker.record, self._bad))()
        count = self._random.randint(1, 3)
        return {"image_id": self._pick(IMAGE_IDS), "conversations": [self.conversation() for _ in range(count)]}

    def _bad(self) -> dict[str, Any]:
        good = self.conversation()
        return self._pick(
            (
                {"image_id": 5, "conversations": []}, {"image_id": -5, "conversations": [good]}, {"image_id": "5"},
                {"conversations": [good], "image_id": 5}, {"image_id": 5, "conversations": [{"content": []}]}, {},
                {"image_id": 5, "conversations": [{"content": good["content"][:1]}]}, {"image_id": 10**30},
                {"image_id": 9000001, "conversations": [good]}, {"image_id": 5, "conversations": [good], "n": 1.50},
                {"image_id": 5, "conversations": [{"content": [{"value": "a", "from": "user"}, *good["content"][1:]]}]},
            )
        )  # fmt: skip

    def spelt(self, record: dict[str, Any]) -> str:
        """Return a record as JSON, in one of the ways that files have it."""
        is_ascii = self._chance() < 0.5 or "\\ud83d" in json.dumps(record)  # half a pair can only be escaped
        if self._chance() < 0.1:
            return dumps(record, indent=1, is_ascii=is_ascii)
        compact = (",", ":") if self._chance() < 0.3 else None
        text = json.dumps(record, ensure_ascii=is_ascii, separators=compact)
        if self._chance() < self._odd / 5:
            return text.replace('"image_id"', '"image_id": 1, "image_id"', 1)
        return text[: -1 if self._chance() < self._odd / 9 else None]

    def file(self, count: int) -> bytes:
        """Return a file of records: an array or JSON lines, whole or cut, with what may stand around it."""
        texts = [self.spelt(self.record()) for _ in range(count)]
        bom = self._pick(("", "", "", "\ufeff"))
        if self._chance() < 0.3:
            lines = [text.replace("\n", " ") + self._pick(("\n", "\n", "\r\n", "\n\n", " \n\t\n")) for text in texts]
            return f"{bom}{''.join(lines)}".encode()
        between = self._pick((", ", ",", ",\n", " ,\r\n\t"))
        end = self._pick(("]", "]", "]\n", ",]", "", "] x", ";]"))
        return f"{bom}[{between.join(texts)}{end}".encode()


files = st.builds(
    lambda seed, odd, count: PlainMaker(seed, odd).file(count),
    st.integers(0, 10**9), st.sampled_from([0.0, 0.1, 0.3]), st.integers(0, 12),
)  # fmt: skip
