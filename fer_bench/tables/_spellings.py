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
_HEADERS: dict[Role, str] = {  # without case, separators and the s of a plural
    "id": (
        " sampleid sample id image imageid imagename imagefile imagepath filename file filepath path name img imgid "
        "imgname imgpath "
    ),
    "true": (
        " ytrue true truelabel labeltrue truth groundtruth groundtruthlabel gt gtlabel label labels target targets "
        "targetlabel labelid targetid trueid actual actuallabel "
        "trueclass truename truelabelname labelname targetname gtname trueexpression trueemotion "
    ),
    "pred": (
        " ypred pred preds predlabel labelpred prediction predictions predicted predictedlabel predclass "
        "predictedclass predname predlabelname predictedname predictionname predexpression predictedexpression "
        "predemotion predictedemotion yhat dominantemotion dominantexpression topemotion topexpression "
    ),
}

Kind = Literal["probabilities", "logits"]
KINDS: tuple[Kind, ...] = ("probabilities", "logits")
_KINDS: dict[str, Kind | None] = {  # without case, separators and the s of a plural; None: could be either
    "p": "probabilities", "prob": "probabilities", "probability": "probabilities", "probabilitie": "probabilities",
    "proba": "probabilities", "softmax": "probabilities", "yprob": "probabilities", "yproba": "probabilities",
    "predprob": "probabilities", "predproba": "probabilities", "classprob": "probabilities",
    "emotion": "probabilities",  # what DeepFace and the package fer print
    "logit": "logits", "predlogit": "logits", "ylogit": "logits",
    "score": None, "yscore": None, "predscore": None, "classscore": None, "conf": None, "confidence": None,
    "output": None, "pred": None, "ypred": None, "prediction": None, "yhat": None, "": None,
}  # fmt: skip
_PARTS = re.compile(r"[\s_.:/-]+")

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
    written = plain(header)
    spelled = {f" {written} ", f" {written.removesuffix('s')} "} if written else set()
    return next((name for name, known in _HEADERS.items() if any(each in known for each in spelled)), None)


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
        for whole in (prefix, f"{prefix}s") if prefix else ("",):
            for rest in (name.removeprefix(whole), name.removesuffix(whole)) if whole else (name,):
                if (rest != name or not whole) and rest in _EXPRESSION_OF:
                    return ScoreColumn(whole, kind, _EXPRESSION_OF[rest])
    if name.isdecimal() and name == header.strip():
        return ScoreColumn("", None, int(name))
    for part in reversed(list(_PARTS.finditer(header.strip()))):  # pred_probs_0 is of pred_probs, not of pred
        before, rest = plain(header.strip()[: part.start()]), header.strip()[part.end() :]
        if before and rest and may_be_scores(before):
            return ScoreColumn(before, _kind(before), int(rest) if rest.isdecimal() else rest)
    return None


def may_be_scores(name: str) -> bool:
    """Return whether a name alone, of a list or an array, is a usual one of scores."""
    return plain(name) != "" and (plain(name) in _KINDS or plain(name).removesuffix("s") in _KINDS)


def _kind(prefix: str) -> Kind | None:
    return _KINDS[prefix if prefix in _KINDS else prefix.removesuffix("s")]
