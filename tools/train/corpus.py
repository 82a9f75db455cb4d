"""The training text: reading it, cutting it into stories, setting some aside.

A file is stories separated by lines that hold only `<|endoftext|>`. White
space around a story is not part of it; everything inside is kept as it is.
"""

import hashlib

SEPARATOR = "<|endoftext|>"
VALIDATION_ONE_IN = 20


def read_stories(path):
    with open(path, encoding="utf-8") as file:
        parts = file.read().split(SEPARATOR)
    return [part.strip() for part in parts if part.strip()]


def is_validation(story):
    """Decides by the story's own hash, so the split does not move with order."""
    digest = hashlib.sha256(story.encode()).digest()
    return int.from_bytes(digest[:4], "big") % VALIDATION_ONE_IN == 0


def split(stories):
    """Returns (training, validation); the second is about one story in twenty."""
    training = [story for story in stories if not is_validation(story)]
    validation = [story for story in stories if is_validation(story)]
    return training, validation
