"""The text of a turn in pieces: plain text, phrases, boxes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from svit_datasets import grounding
from svit_datasets.converters.infer import infer_phrase
from svit_datasets.viewer.shapes import Box, Fractions, Group, Segment

_NO_BOX = Box(None, None)


class Groups:
    """The groups of boxes of one record, each kept once, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[float, ...], int] = {}
        self.coordinates: list[list[str]] = []
        self._phrases: list[tuple[str, bool]] = []
        self._conversations: list[list[int]] = []

    def add(self, coordinates: list[str], phrase: str, *, is_guessed: bool, conversation: int) -> int:
        """Take up a group and return its number; the same boxes again are the same group.

        Args:
            coordinates: Its numbers as written, 4 a box.
            phrase: The words that it belongs to.
            is_guessed: Whether they are not marked.
            conversation: Number of the conversation that it stands in, from 0.

        Returns:
            Its number, from 1.

        >>> groups = Groups()
        >>> groups.add(["0", "0", "1", "1"], "dog", is_guessed=False, conversation=0)
        1
        >>> groups.add(["0.0", "0", "1", "1.0"], "the dog", is_guessed=False, conversation=2)
        1
        """
        number = self._numbers.setdefault(tuple(map(float, coordinates)), len(self._numbers) + 1)
        if number > len(self.coordinates):
            self.coordinates.append(coordinates)
            self._phrases.append((phrase, is_guessed))
            self._conversations.append([])
        elif phrase and not self._phrases[number - 1][0]:
            self._phrases[number - 1] = (phrase, is_guessed)
        where = self._conversations[number - 1]
        if conversation not in where[-1:]:
            where.append(conversation)
        return number

    def show(self, boxes: list[list[Box]]) -> list[Group]:
        """Return the groups with their boxes in both frames.

        >>> groups = Groups()
        >>> _ = groups.add(["0", "0", "1", "1"], "dog", is_guessed=False, conversation=0)
        >>> [(g.number, g.phrase, g.conversations) for g in groups.show([[_NO_BOX]])]
        [(1, 'dog', [0])]
        """
        rows = zip(self._phrases, boxes, self._conversations, strict=True)
        return [Group(n, phrase, guessed, own, where) for n, ((phrase, guessed), own, where) in enumerate(rows, 1)]


def cut(text: str, groups: Groups, *, conversation: int = 0) -> list[Segment]:
    """Return a text in pieces; put together they are the text without the marks around phrases.

    Words before an unmarked box stand in for its phrase, as ``infer_phrase`` finds them.

    Args:
        text: Text in native markup, or a LLaVA record's.
        groups: Takes up the boxes.
        conversation: Number of the text's conversation, from 0.

    Returns:
        The pieces, none of them empty.

    >>> [(s.kind, s.text, s.group) for s in cut("The <st>cat<ed> [0, 0, 1, 1] sits.", Groups())]
    [('text', 'The ', 0), ('phrase', 'cat', 1), ('text', ' ', 0), ('boxes', '[0, 0, 1, 1]', 1), ('text', ' sits.', 0)]
    """
    pieces: list[Segment] = []
    end = 0
    for found in grounding.find(text):
        before = text[end : found.start]
        guessed = infer_phrase(before) if found.phrase is None else ""
        phrase, is_guessed = (guessed, True) if found.phrase is None else (found.phrase, False)
        number = groups.add(found.coordinates, phrase, is_guessed=is_guessed, conversation=conversation)
        plain = before[: len(before) - len(guessed) - 1] if guessed else before
        pieces += _plain(plain)
        pieces.append(Segment("phrase", phrase, number, is_guessed))
        pieces.append(Segment("text", " " if guessed else found.gap))
        pieces.append(Segment("boxes", found.boxes, number))
        end = found.end
    pieces += _plain(text[end:])
    return [piece for piece in pieces if piece.text]


def to_plain(text: str) -> str:
    """Return a text as the page shows it: what ``cut`` gives, put together, but faster.

    >>> to_plain("Is the <st>red dog<ed> [0, 0, 1, 1] a < b <st>?")
    'Is the red dog [0, 0, 1, 1] a < b <st>?'
    """
    if grounding.ED not in text:
        return text
    pieces: list[str] = []
    end = 0
    for marked in grounding.find_marked(text):
        if "[" in marked.phrase and not marked.boxes:  # boxes between marks keep them apart
            return "".join(piece.text for piece in cut(text, Groups()))
        pieces += (text[end : marked.start - len(grounding.ST)], marked.phrase)
        end = marked.end + len(grounding.ED)
    return "".join((*pieces, text[end:]))


def _plain(text: str) -> Iterator[Segment]:
    """Yield text without boxes; phrases that are marked all the same are told apart."""
    end = 0
    for marked in grounding.find_marked(text):
        yield Segment("text", text[end : marked.start - len(grounding.ST)])
        yield Segment("phrase", marked.phrase)
        end = marked.end + len(grounding.ED)
    yield Segment("text", text[end:])


def to_fractions(coordinates: list[str]) -> Fractions | None:
    """Return a box as numbers, None where one of them is too large to draw.

    >>> to_fractions(["0", ".5", "1.", "0.999"]), to_fractions(["9" * 400, "0", "1", "1"])
    ((0.0, 0.5, 1.0, 0.999), None)
    """
    x1, y1, x2, y2 = map(float, coordinates)
    return (x1, y1, x2, y2) if max(x1, y1, x2, y2) < 1e6 else None
