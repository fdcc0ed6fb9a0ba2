"""How people spell the columns and classes of their predictions: expressions, roles, kinds of scores, label orders."""

import re
from typing import Literal, NamedTuple

from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS

_USUAL = {
    "neutral": ("neutral", "neutrality", "normal"),
    "happiness": ("happiness", "happy", "joy", "joyful"),
    "surprise": ("surprise", "surprised", "surprising"),
    "sadness": ("sadness", "sad"),
    "anger": ("anger", "angry"),
    "disgust": ("disgust", "disgusted", "disgusting"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "contempt": ("contempt", "contemptuous"),
}
_EXPRESSION_OF = {spelling: name for name, spellings in _USUAL.items() for spelling in spellings}

Role = Literal["id", "true", "pred"]
ROLES: tuple[Role, ...] = ("id", "true", "pred")
_HEADERS: dict[Role, str] = {  # without case and separators
    "id": (
        " sampleid sample id image imageid imagename imagefile imagepath filename file filepath path name img imgid "
        "imgname imgpath "
    ),
    "true": (
        " ytrue true truelabel labeltrue truth groundtruth groundtruthlabel gt gtlabel label labels target targets "
        "targetlabel actual actuallabel trueclass truename truelabelname labelname targetname gtname trueexpression "
        "trueemotion "
    ),
    "pred": (
        " ypred pred preds predlabel labelpred prediction predictions predicted predictedlabel predclass "
        "predictedclass predname predlabelname predictedname predictionname predexpression predictedexpression "
        "predemotion predictedemotion yhat "
    ),
}

Kind = Literal["probabilities", "logits"]
KINDS: tuple[Kind, ...] = ("probabilities", "logits")
_KINDS: dict[str, Kind | None] = {  # None: could be either
    "p": "probabilities", "prob": "probabilities", "probs": "probabilities", "probability": "probabilities",
    "probabilities": "probabilities", "proba": "probabilities", "softmax": "probabilities",
    "logit": "logits", "logits": "logits",
    "score": None, "scores": None, "conf": None, "confidence": None, "output": None, "pred": None, "": None,
}  # fmt: skip
_MARKED = re.compile(rf"(?P<prefix>{'|'.join(filter(None, _KINDS))})[\s_.:/-]+(?P<rest>.+)", re.IGNORECASE)

_AFFECTNET = "neutral happiness sadness surprise fear disgust anger contempt"
_ORDERS: dict[str, tuple[int, str]] = {  # the first number, and the expressions that it and the next ones are
    "ours": (0, " ".join(EXPRESSIONS)),
    "ferplus": (0, " ".join(EXPRESSIONS)),
    "rafdb": (1, "surprise fear disgust happiness sadness anger neutral"),
    "fer2013": (0, "anger disgust fear happiness sadness surprise neutral"),
    "affectnet": (0, _AFFECTNET),
    "alphabetical7": (0, " ".join(sorted(EXPRESSIONS[:7]))),
    "alphabetical8": (0, " ".join(sorted(EXPRESSIONS))),
}


class Order(NamedTuple):
    """Which number is which expression, whatever numbers a file happens to hold.

    Attributes:
        name: As asked for.
        first: The number of the first one.
        names: The expressions.
    """

    name: str
    first: int
    names: tuple[str, ...]

    @property
    def numbers(self) -> dict[int, int]:
        """Number to index in :mod:`fer_bench.expressions`."""
        return {self.first + place: EXPRESSIONS.index(name) for place, name in enumerate(self.names)}


def order(text: str) -> Order:
    """Read an order of labels: a name, or expressions joined by commas.

    Raises:
        FerBenchError: If it is neither.

    Examples:
        >>> order("rafdb").numbers[1] == EXPRESSIONS.index("surprise")
        True
        >>> order("sad,happy,neutral").numbers
        {0: 3, 1: 1, 2: 0}
    """
    if text.lower() in _ORDERS:
        first, names = _ORDERS[text.lower()]
        return Order(text.lower(), first, tuple(names.split()))
    if text.lower() == "alphabetical":
        raise FerBenchError(
            f"--label-order {text}: contempt stands second in it, so seven and eight classes are numbered otherwise",
            fix="--label-order alphabetical8 where the model or the data set was numbered with contempt (0 anger, "
            "1 contempt, 2 disgust, …), --label-order alphabetical7 where without (0 anger, 1 disgust, …)",
        )
    given = [expression(part) for part in text.split(",")]
    names_found = tuple(name for name in given if name is not None)
    if len(given) < 2 or len(names_found) < len(given) or len(set(names_found)) < len(given):
        raise FerBenchError(f"--label-order {text}: no such order", fix=ask_order())
    return Order(text, 0, names_found)


def ask_order() -> str:
    """Return how to say which number is which expression."""
    return (
        f"--label-order, one of {', '.join(_ORDERS)} (rafdb counts from 1, the others from 0), or the expressions "
        "in order, joined by commas: --label-order happy,sad,…"
    )


def plain(text: str) -> str:
    """Return a name without case and separators.

    Examples:
        >>> plain("True_Label"), plain("sampleId")
        ('truelabel', 'sampleid')
    """
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def expression(text: str) -> str | None:
    """Return the expression that a word means; None if it is no usual spelling of any.

    Examples:
        >>> expression(" Happy"), expression("fearful"), expression("bored")
        ('happiness', 'fear', None)
    """
    return _EXPRESSION_OF.get(plain(text))


def role(header: str) -> Role | None:
    """Return what a column is by its name; None if it is neither ids nor labels."""
    return next((name for name, known in _HEADERS.items() if f" {plain(header)} " in known), None)


class ScoreColumn(NamedTuple):
    """A column of scores, as its name tells.

    Attributes:
        prefix: What stands before the class, without case and separators; empty for a bare expression.
        kind: What the prefix says; None where it could be either.
        of: The expression, a number, or a word that is neither.
    """

    prefix: str
    kind: Kind | None
    of: str | int


def score_column(header: str) -> ScoreColumn | None:
    """Read the name of a column of scores; None if it is none.

    Examples:
        >>> score_column("p_happy")
        ScoreColumn(prefix='p', kind='probabilities', of='happiness')
        >>> score_column("fear")
        ScoreColumn(prefix='', kind=None, of='fear')
        >>> score_column("path") is None
        True
    """
    name = plain(header)
    for prefix, kind in _KINDS.items():
        for rest in (name.removeprefix(prefix), name.removesuffix(prefix)) if prefix else (name,):
            if (rest != name or not prefix) and rest in _EXPRESSION_OF:
                return ScoreColumn(prefix, kind, _EXPRESSION_OF[rest])
    marked = _MARKED.fullmatch(header.strip())
    if marked is None:
        return None
    prefix, rest = marked["prefix"].lower(), marked["rest"]
    return ScoreColumn(prefix, _KINDS[prefix], int(rest) if rest.isdecimal() else rest)
