r"""Plain text for LaTeX: escaped, typeset by any engine, and breakable where names would run over a column's edge."""

import re
import unicodedata

# signs of mathematics for those that text takes from a font of bitmaps (Type 3) where cm-super is missing: $, †, ‡
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\(\mathdollar\)", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"''", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}",
    "×": r"\(\times\)", "±": r"\(\pm\)", "−": r"\(-\)", "≤": r"\(\leq\)", "≥": r"\(\geq\)", "·": r"\(\cdot\)",
    "▲": r"\(\bigtriangleup\)", "▼": r"\(\bigtriangledown\)", "†": r"\(\dagger\)", "‡": r"\(\ddagger\)",
    "→": r"\(\rightarrow\)", "³": r"\(^{3}\)",
    "µ": r"\(\mu\)", "°": r"\(^{\circ}\)", "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}",
    "ł": r"\l{}", "Ł": r"\L{}", "œ": r"\oe{}", "«": r"\(\ll\)", "»": r"\(\gg\)", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
_DOTLESS = {"i": r"\i", "j": r"\j"}
_BREAKS = frozenset("_:/.-+;=@")  # a line may end behind these
_LONGEST = 14  # letters in a row without such a place; then a line may end anyway
_WORD = 24  # words up to this length are kept whole in running text
_CELL = 8  # and in cells
_BEFORE_PERCENT = re.compile(r"(?<=\d) (?=%)")
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|[]()! "), frozenset("mwMW@%&+=<>−×ABCDGHKNOQRUVXY")


def escape_cell(text: object) -> str:
    """Escape a table's cell: as :func:`escape`, but names may be broken at more places, columns being narrow."""
    return _joined(str(text), _CELL)


def escape(text: object) -> str:
    r"""Return text that LaTeX prints as it is; a letter it cannot print becomes its code point in brackets.

    Examples:
        >>> escape("a & b: 5 %")
        'a \\& b: 5~\\%'
        >>> escape("\u732b")
        '[U+732B]'
    """
    return _joined(str(text), _WORD)


def comment(text: str) -> str:
    r"""Return text as one line of comment, whatever it holds: LaTeX would read on in a second line.

    Examples:
        >>> comment("commit a\n\\input{b}")
        '% commit a \\input{b}\n'
    """
    return f"% {' '.join(text.split())}\n"


def _joined(text: str, longest: int) -> str:
    text = _BEFORE_PERCENT.sub("\N{NO-BREAK SPACE}", text)  # a number stays with its sign
    parts = (part for word in re.split(r"( )", text) for part in _parted(word, longest))
    joined = "".join(r"\allowbreak{}" * follows + "".join(map(_letter, part)) for part, follows in parts)
    return re.sub(r"-(?=-)", "-{}", joined) if "--" in text else joined


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    base, *marks = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{_DOTLESS.get(base, base)}}}"
    return f"[U+{ord(letter):04X}]"


def _parted(word: str, longest: int) -> list[tuple[str, bool]]:
    """Part a long word where a line may end; says of each part whether another one stands before it."""
    parts, current = [], ""
    for place, letter in enumerate(word):
        current += letter
        rest = len(word) - place - 1
        # not inside numbers: 86.3, 1e-08
        number = letter in ".-+:" and word[place + 1 : place + 2].isdigit() and word[place - 1 : place].isdigit()
        ends = letter in _BREAKS and len(current) > 2 and not number
        if len(word) > longest and rest > 1 and (ends or len(current) >= _LONGEST):
            parts.append(current)
            current = ""
    return [(part, bool(number)) for number, part in enumerate([*parts, current])]


def pieces(text: str) -> list[str]:
    """Return the parts of a cell that stay on one line."""
    text = _BEFORE_PERCENT.sub("\N{NO-BREAK SPACE}", text)
    return [part for word in text.split(" ") for part, _ in _parted(word, _CELL)] or [""]


def width_pt(text: str) -> float:
    r"""Estimate how wide a text is in ``\scriptsize`` Computer Modern, in points; rather too much."""
    narrow = sum(letter in _NARROW for letter in text)
    wide = sum(letter in _WIDE for letter in text)
    return 2.5 * narrow + 6.6 * wide + 4.15 * (len(text) - narrow - wide)
