"""The words of the statements. They stand in Markdown, beside the code that makes their claims.

`updates.md` holds the words of `updates.py`, and so on. `# ...` is a place in the chapter and `## ...` the name of a
statement; below it stand its sentence and, under `### Tested`, `### Remark` and `### Proof`, the rest. The lines of a
paragraph are joined; only a proof has more than one paragraph. LaTeX stands between dollar signs, as in the report.
`<<risk:.6g>>` is a value that the code gives, in a format of Python; nothing else is replaced.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

_PLACEHOLDER = re.compile(r"<<(\w+)(?::([^<>]*))?>>")


class Prose:
    """The words of one section: for each statement its place and, as lists of paragraphs, its parts."""

    def __init__(self, text: str) -> None:
        self.places: dict[str, str] = {}
        self.parts: dict[str, dict[str, list[str]]] = {}
        place, name, paragraphs = "", None, []
        for block in re.split(r"\n\s*\n", text.strip()):
            words = " ".join(block.split())
            level, _, title = words.partition(" ")
            if level == "#":
                place, name = title, None
            elif level == "##":
                if title in self.parts:
                    raise InvalidInput(f"there are words for {title!r} twice")
                name, paragraphs = title, []
                self.places[name], self.parts[name] = place, {"sentence": paragraphs}
            elif name is None:
                raise InvalidInput(f"there are words before the name of a statement: {words!r}")
            elif level == "###":
                paragraphs = self.parts[name].setdefault(title.lower(), [])
            else:
                paragraphs.append(words)
        for name, parts in self.parts.items():
            _check(name, parts)

    @classmethod
    def of(cls, section: str) -> "Prose":
        """The words in the Markdown file of this name."""
        folder = resources.files("jaxsgd.verification.chapter")
        return cls(folder.joinpath(f"{section}.md").read_text(encoding="utf-8"))

    def statement(
        self, name: str, claims: Sequence[Claim], values: Mapping[str, Any] | None = None, **options: Any
    ) -> Statement:
        """The statement of this name.

        - `values`: what stands for `<<...>>` in its words; neither more nor less.
        - `options`: `reference` and `figure` of the statement.

        **Raises** `InvalidInput` where there are no words of this name, or the values are not those that they need.
        """
        if name not in self.parts:
            raise InvalidInput(f"there are no words for {name!r}; {nearest(name, self.parts)}")
        given, used = dict(values or {}), set()

        def formatted(found: re.Match[str]) -> str:
            key, form = found.groups()
            used.add(key)
            if key not in given:
                raise InvalidInput(f"the words for {name!r} hold <<{key}>>, of which no value is given")
            return format(given[key], form or "")

        filled = {
            part: [_PLACEHOLDER.sub(formatted, paragraph) for paragraph in paragraphs]
            for part, paragraphs in self.parts[name].items()
        }
        unused = sorted(set(given) - used)
        if unused:
            raise InvalidInput(f"values {unused} are given for {name!r}, whose words do not hold them")
        proof = filled.pop("proof", [])
        words = {part: text for part, (text,) in filled.items()}
        return Statement(name=name, place=self.places[name], claims=claims, proof=proof, **words, **options)

    def section(self, *statements: Statement) -> tuple[Statement, ...]:
        """These statements; `InvalidInput` if there are words for another one."""
        unused = set(self.parts) - {statement.name for statement in statements}
        if unused:
            raise InvalidInput(f"there are words for {sorted(unused)}, which no statement has")
        return statements


def _check(name: str, parts: Mapping[str, Sequence[str]]) -> None:
    unknown = set(parts) - {"sentence", "tested", "remark", "proof"}
    if unknown:
        raise InvalidInput(f"the words for {name!r} have a part {unknown.pop()!r}; allowed: Tested, Remark, Proof")
    for part in ("sentence", "tested", "remark"):
        count = len(parts.get(part, ()))
        if count != 1 and not (part == "remark" and part not in parts):
            raise InvalidInput(f"the words for {name!r} must have one paragraph of {part!r}, got {count}")
    for paragraph in (paragraph for paragraphs in parts.values() for paragraph in paragraphs):
        wrong = re.search("<<.*?>>", _PLACEHOLDER.sub("", paragraph))
        if wrong:
            raise InvalidInput(
                f"{wrong.group()!r} is no value, as in <<risk>> or <<risk:.6g>>, in the words for {name!r}"
            )
