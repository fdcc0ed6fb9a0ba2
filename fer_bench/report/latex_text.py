r"""Plain text for LaTeX: escaped, typeset by any engine, and breakable where names would run over a column's edge."""

import re
import unicodedata

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"''", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}",
    "×": r"\(\times\)", "±": r"\(\pm\)", "−": r"\(-\)", "≤": r"\(\leq\)", "≥": r"\(\geq\)", "·": r"\(\cdot\)",
    "µ": r"\(\mu\)", "°": r"\(^{\circ}\)", "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}",
    "ł": r"\l{}", "Ł": r"\L{}", "œ": r"\oe{}", "«": r"\(\ll\)", "»": r"\(\gg\)", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
_ACCENTS = frozenset(map(chr, (0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x30A, 0x30B, 0x30C, 0x327)))
_BREAKS = frozenset("_:/.-+;=@")  # a line may end behind these
_LONGEST = 14  # letters in a row without such a place; then a line may end anyway
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|[]()! "), frozenset("mwMW@%&+=<>−×ABCDGHKNOQRUVXY")


def escape(text: object) -> str:
    r"""Return text that LaTeX prints as it is; a letter it cannot print becomes its code point in brackets.

    Examples:
        >>> escape("a & b: 5 %")
        'a \\& b: 5 \\%'
        >>> escape("\u732b")
        '[U+732B]'
    """
    line = " ".join(str(text).split(" "))
    return r"\allowbreak{}".join("".join(_letter(letter) for letter in piece) for piece in _unspaced(line))


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    base, *marks = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return letter
    return f"[U+{ord(letter):04X}]"


def _unspaced(line: str) -> list[str]:
    """Part a line where it may be broken, apart from its spaces."""
    parts, current, run = [], "", 0
    for place, letter in enumerate(line):
        current += letter
        run = 0 if letter == " " else run + 1
        following = line[place + 1 : place + 2]
        inside = bool(following) and following != " " and letter != " "
        # not inside numbers: 86.3, 1e-08
        between_digits = letter in ".-+:" and following.isdigit() and line[place - 1 : place].isdigit()
        if inside and ((letter in _BREAKS and run > 2 and not between_digits) or run >= _LONGEST):
            parts.append(current)
            current, run = "", 0
    return [*parts, current]


def pieces(text: str) -> list[str]:
    """Return the parts of a text that stay on one line."""
    return [word for part in _unspaced(text) for word in re.split(r" ", part) if word] or [""]


def width_pt(text: str) -> float:
    r"""Estimate how wide a text is in ``\scriptsize`` Computer Modern, in points; rather too much."""
    narrow = sum(letter in _NARROW for letter in text)
    wide = sum(letter in _WIDE for letter in text)
    return 2.5 * narrow + 6.6 * wide + 4.15 * (len(text) - narrow - wide)
