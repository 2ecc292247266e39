"""Text with LaTeX between dollar signs, as HTML with MathML, which browsers draw without a network."""

import html
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element

_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
_INLINE = re.compile(r"([(\[]?)\$([^$]+)\$([^\s$]*)")
_TILDE = "\N{TILDE OPERATOR}"
_RELATIONS, _SIGNS = frozenset(f"=≤≥<>≈→{_TILDE}"), frozenset("+\N{MINUS SIGN}")
_OPENING, _CLOSING, _BARS = frozenset("([{⟨"), frozenset(")]}⟩"), frozenset("‖|")
_BEFORE_A_SIGN = _RELATIONS | _OPENING | {","}
_SHORT = 7  # symbols; a formula of no more is not broken


def render(text: str) -> str:
    r"""HTML of a text in which `$...$` is a formula of the line and `$$...$$` one on a line of its own.

    A long formula may be broken before a relation, a plus or a minus that is in no bracket. What is not
    LaTeX that can be converted is shown as it was written.

    >>> render("1 < 2")
    '1 &lt; 2'
    >>> "<msup><mi>x</mi><mn>2</mn></msup>" in render("the square $x^2$")
    True
    """
    parts = _DISPLAY.split(text)
    parts[::2] = [_prose(part) for part in parts[::2]]
    parts[1::2] = [f'<span class="display">{_formula(part, "block")}</span>' for part in parts[1::2]]
    return "".join(parts)


def _prose(text: str) -> str:
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        before, latex, after = found.groups()
        # A bracket or a full stop stays on the line of its formula.
        first, *rest = _formula(latex, "inline").split("<wbr/>")
        glued = [html.escape(before) + first, *rest]
        glued[-1] += html.escape(after)
        parts.append(html.escape(text[end : found.start()]))
        parts.append("<wbr/>".join(f'<span class="math">{piece}</span>' for piece in glued))
        end = found.end()
    return "".join(parts) + html.escape(text[end:])


def _formula(latex: str, display: str) -> str:
    try:
        math = convert_to_element(latex, display=display)
    except Exception:  # the library raises errors of many kinds, and a report is to be written whatever its text
        return f"<code>{html.escape(latex)}</code>"
    for element in math.iter():
        if element.text:
            # The library leaves entities and escaped underscores as they are, and does not escape what is text.
            element.text = html.unescape(element.text).replace(r"\_", "_")
    if any("\\" in (element.text or "") for element in math.iter()):  # a command that the library does not know
        return f"<code>{html.escape(latex)}</code>"
    for element in math.iter():
        _space(element)
    pieces = [math] if display == "block" else _pieces(math)
    return "<wbr/>".join(ElementTree.tostring(piece, encoding="unicode") for piece in pieces)


def _space(row: ElementTree.Element) -> None:
    """Space as TeX does: none after a minus that is a sign, none around a slash, some around a tilde."""
    before = "("  # the start of a row
    for child in row:
        operator = child.text or "" if child.tag == "mo" else ""
        if operator in _SIGNS and before in _BEFORE_A_SIGN:
            child.set("form", "prefix")
        elif operator == "/":
            child.set("lspace", "0")
            child.set("rspace", "0")
        elif child.text == "~":
            child.tag, child.text = "mo", _TILDE  # the library takes it for a letter
        before = operator


def _pieces(math: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The formula in parts between which a line may be broken: browsers do not break inside one."""
    row = math[0]
    breaks = _RELATIONS | _SIGNS if len(row) > _SHORT else frozenset()
    parts: list[list[ElementTree.Element]] = [[]]
    depth, bars = 0, 0
    for child in row:
        operator = child.text or "" if child.tag == "mo" else ""
        if operator in breaks and len(parts[-1]) > 1 and depth == 0 and bars % 2 == 0:
            child.set("form", "infix")  # at the start of a part it would be taken for a sign
            parts.append([])
        parts[-1].append(child)
        text = "".join(child.itertext())
        depth += sum(map(text.count, _OPENING)) - sum(map(text.count, _CLOSING))
        bars += sum(map(text.count, _BARS))
    for part in parts:
        piece = ElementTree.Element(math.tag, math.attrib)
        ElementTree.SubElement(piece, row.tag, row.attrib).extend(part)
        yield piece
