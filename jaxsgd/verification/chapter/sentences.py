"""What the chapter says, in its order, and which statements test it; the sentences stand in `sentences.toml`."""

import tomllib
from importlib import resources
from typing import NamedTuple


class Sentence(NamedTuple):
    """One sentence of the chapter, in our words, and the names of the statements that test it, or of what is coming."""

    place: str
    text: str
    tested_by: tuple[str, ...]


_FOLDER = resources.files("jaxsgd.verification.chapter")
_TABLE = tomllib.loads(_FOLDER.joinpath("sentences.toml").read_text(encoding="utf-8"))

COMING: dict[str, str] = _TABLE["coming"]
"""Parts of the chapter that are not tested yet, by name, and what they wait for."""

SENTENCES = tuple(
    Sentence(place, text, tuple(names))
    for place, sentences in _TABLE["sentences"].items()
    for text, names in sentences.items()
)
"""The chapter's sentences that say something that can be tested."""
