"""Pools of made English, escaped as JSON escapes it: questions, sentences, phrases, topics. Pure, the same everywhere.

Every choice comes from ``Random.random``, which Python promises to repeat from a seed in all its versions; the other
methods of ``Random`` carry no such promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")

THINGS = (
    "man woman boy girl dog cat horse bus car truck bicycle bench table chair window building tree umbrella sign lamp "
    "boat train surfboard skateboard plate cup bottle clock fence wall bridge kite ball bag hat jacket shirt"
).split()
LOOKS = (
    "red blue green white black brown grey yellow large small tall wooden striped metal bright dark old round empty "
    "narrow parked standing sitting left right nearest farthest"
).split()
PLACES = (
    "near the edge of the road",
    "in the middle of the picture",
    "behind the low brick wall",
    "under the cloudy sky",
    "on the left side of the scene",
    "close to the people who are waiting",
    "next to the tall glass building",
    "in front of the open door",
    "at the far end of the field",
    "beside the water",
)
DOES = (
    "stands quietly",
    "seems to be waiting",
    "is partly hidden",
    "leans to one side",
    "has been left there",
    "catches the light",
    "is held up by a thin pole",
    "takes up most of the space",
)
REASONS = (
    "which suggests that the place is used every day",
    "so it is likely that the picture was taken in the afternoon",
    "and nobody seems to pay attention to it",
    "which makes it easy to see from a distance",
    "although the shadows make it hard to be certain",
    "and this gives the scene a calm and ordinary look",
)
ASKS = (
    "What is {} doing {}?",
    "Why might {} be found {}?",
    "How does {} look to somebody who stands {}?",
    "What could happen next to {} that can be seen {}?",
    "Is {} the only one of its kind {}?",
    "Where does {} seem to be going, and what is to be seen {}?",
)
OPENINGS = ("In the picture", "There is", "You can see", "Yes,", "It looks as if", "On the one hand", "The scene shows")
NEXT_TO = ("beside", "near", "not far from", "behind")
# As real texts have them: quoted signs, typographic marks, accents, line breaks, a character beyond 16 bits.
ODD_SENTENCES = (
    'The sign says "NO PARKING" in large letters.',
    "It\u2019s a quiet street \u2013 nobody is in a hurry.",
    "A small caf\u00e9 with a blue door stands at the corner.",
    "First:\n- a bench\n- a lamp\n- an umbrella",
    'Somebody wrote "4\\5" on the wall.',
    "The screen shows a smiling face \U0001f600 and the temperature, 21\u00b0C.",
)


def json_text(text: str) -> str:
    """Return ``text`` as it stands inside a JSON string.

    >>> json_text('a "b"')
    'a \\\\"b\\\\"'
    """
    return json.dumps(text)[1:-1]


def pick(random: Callable[[], float], pool: Sequence[T]) -> T:
    """Return one of ``pool``; ``random`` gives a number in 0..1."""
    return pool[int(random() * len(pool))]


class Texts(NamedTuple):
    """Pools of texts, each as it stands in a JSON string.

    Attributes:
        phrases: What a box shows: ``the red bus``.
        asks: Questions cut in two where a phrase stands, such as ``What is`` and ``doing beside the water?``.
        questions: The same with their phrases.
        sentences: Sentences of about 95 characters.
        joints: What stands between two boxes of an answer.
        topics: Topics of conversations.
        odd: Sentences with what JSON escapes.
    """

    phrases: list[str]
    asks: list[tuple[str, str]]
    questions: list[str]
    sentences: list[str]
    joints: list[str]
    topics: list[str]
    odd: list[str]


def make_texts(seed: int) -> Texts:
    """Return the pools of a seed.

    >>> texts = make_texts(0)
    >>> texts.phrases[0], texts.asks[0], texts == make_texts(0)
    ('the sitting fence', ('What could happen next to ', ' that can be seen under the cloudy sky?'), True)
    """
    random = Random(seed).random
    phrases = [f"the {pick(random, LOOKS)} {pick(random, THINGS)}" for _ in range(900)]
    asks = [_cut(pick(random, ASKS), pick(random, PLACES)) for _ in range(600)]
    questions = [pick(random, phrases).join(pick(random, asks)) for _ in range(20_000)]
    return Texts(
        phrases=phrases,
        asks=asks,
        questions=questions,
        sentences=[_sentence(random, phrases) for _ in range(20_000)],
        joints=[f" {pick(random, DOES)} {pick(random, NEXT_TO)} " for _ in range(40)],
        topics=[f"{pick(random, LOOKS).title()} {pick(random, THINGS)}s and what they tell" for _ in range(800)],
        odd=[json_text(sentence) for sentence in ODD_SENTENCES],
    )


def _cut(ask: str, place: str) -> tuple[str, str]:
    before, after = ask.format("\0", place).split("\0")
    return before, after


def _sentence(random: Callable[[], float], phrases: list[str]) -> str:
    text = f"{pick(random, phrases)} {pick(random, DOES)} {pick(random, PLACES)}, {pick(random, REASONS)}."
    return text[0].upper() + text[1:]
