"""Who is drawn and how: random people, action units of expressions and circumstances, as arrays of numbers.

Expressions are combinations of action units (AU) of the Facial Action Coding System, after Ekman, Friesen and Hager,
"Facial Action Coding System: Investigator's Guide" (2002), prototypes and variants of emotions, as in EMFACS (Friesen
and Ekman, 1983): happiness 6+12, surprise 1+2+5+26, sadness 1+4+15, anger 4+5+7+23, disgust 9+15+16 or 9+10, fear
1+2+4+5+20+26. How strong each unit is in a variant is our choice, as are some weaker companions. An intensity of 0 is
a relaxed muscle, 1 the strongest movement that is drawn.
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from fer_bench import seeds
from fer_bench.expressions import EXPRESSIONS

AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 16, 17, 20, 23, 25, 26)
"""The action units that can be drawn."""

VARIANTS: dict[str, tuple[dict[int, float], ...]] = {
    "neutral": ({},),
    "happiness": (
        {6: 0.9, 12: 1.0, 25: 0.8},
        {6: 1.0, 12: 1.0, 25: 1.0, 26: 0.5},
        {6: 0.7, 12: 0.9},
        {12: 0.8},
    ),
    "surprise": (
        {1: 1.0, 2: 1.0, 5: 0.8, 25: 0.8, 26: 1.0},
        {1: 0.9, 2: 1.0, 5: 0.9, 25: 0.5, 26: 0.6},
        {1: 1.0, 2: 1.0, 25: 0.6, 26: 0.8},
    ),
    "sadness": (
        {1: 1.0, 4: 0.7, 15: 1.0},
        {1: 0.9, 4: 0.8, 15: 0.9, 17: 0.8},
        {1: 0.8, 4: 0.4, 7: 0.4, 15: 0.7, 17: 0.5},
    ),
    "anger": (
        {4: 1.0, 5: 0.6, 7: 0.8, 23: 1.0},
        {4: 1.0, 5: 0.5, 7: 0.9, 17: 0.6, 23: 1.0},
        {4: 1.0, 5: 0.7, 7: 0.7, 10: 0.5, 16: 0.6, 23: 0.4, 25: 1.0},
    ),
    "disgust": (
        {4: 0.4, 7: 0.5, 9: 1.0, 15: 0.7, 16: 0.6},
        {4: 0.3, 7: 0.5, 9: 0.9, 10: 0.9, 16: 0.7, 25: 0.8},
        {4: 0.4, 7: 0.4, 9: 0.9, 10: 0.6, 17: 0.8, 15: 0.4},
    ),
    "fear": (
        {1: 1.0, 2: 0.7, 4: 0.8, 5: 1.0, 20: 1.0, 25: 0.8, 26: 0.5},
        {1: 1.0, 2: 0.6, 4: 0.9, 5: 0.9, 20: 0.9, 25: 0.7},
        {1: 0.9, 2: 0.8, 4: 0.6, 5: 1.0, 20: 0.7, 25: 0.8, 26: 0.8},
    ),
}
"""Action units of each expression: the first is the full prototype."""

# Anchors of colour ramps, chosen by eye: skin from pale to deep, hair from black to fair, red and grey.
_SKIN = ((247, 222, 205), (240, 200, 170), (222, 172, 134), (190, 136, 98), (140, 94, 66), (86, 56, 42))
_HAIR = ((24, 20, 20), (48, 34, 28), (88, 58, 38), (140, 96, 56), (206, 168, 104), (150, 70, 34), (168, 166, 164))


class Draws:
    """Random numbers of ``n`` streams side by side, one per row: drawing a value draws it for every row.

    They come from the raw 64-bit output of PCG64, whose stream NumPy guarantees (the distributions of ``Generator``
    it does not), through integers and one division; so they are the same on every machine.

    Args:
        stream_seeds: One seed per row.
        n_values: How many values a row may draw.
    """

    def __init__(self, stream_seeds: list[int], n_values: int) -> None:
        rows = [np.random.PCG64(seed).random_raw(n_values) for seed in stream_seeds]
        self._raw = np.array(rows, dtype=np.uint64).reshape(len(stream_seeds), n_values)
        self._next = 0

    def raw(self) -> np.ndarray:
        """Return the next 64 random bits of every row, (n,)."""
        self._next += 1
        return self._raw[:, self._next - 1]

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Return values spread evenly over [low, high), (n,)."""
        return low + (high - low) * ((self.raw() >> np.uint64(11)).astype(np.float64) / float(1 << 53))

    def bell(self, low: float, high: float) -> np.ndarray:
        """Return values that gather in the middle of [low, high], the mean of four uniform ones, (n,)."""
        return low + (high - low) * (sum_of_quarters(self.raw()).astype(np.float64) / (4 * 65535))

    def chance(self, share: float) -> np.ndarray:
        """Return 1.0 in about ``share`` of the rows and 0.0 elsewhere, (n,)."""
        return (self.uniform(0, 1) < share).astype(np.float64)

    def choice(self, n_choices: int) -> np.ndarray:
        """Return indices 0 to ``n_choices`` - 1, (n,)."""
        return (self.raw() >> np.uint64(11)).astype(np.int64) % n_choices


def sum_of_quarters(raw: np.ndarray) -> np.ndarray:
    """Return the sum of the four 16-bit quarters of each 64-bit word: a bell from 0 to 262,140, by integers alone."""
    mask = np.uint64(0xFFFF)
    total = (raw & mask) + ((raw >> np.uint64(16)) & mask) + ((raw >> np.uint64(32)) & mask) + (raw >> np.uint64(48))
    return np.asarray(total, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class People:
    """What stays the same from picture to picture of a subject; every field (n,), colours (n, 3); half the head is 1.

    Attributes:
        width: Half width of the head.
        jaw: How much the jaw narrows.
        skin: Colour, RGB in [0, 1], as all colours.
        hair: Colour of hair, brows and beard.
        iris: Colour of the eyes.
        lips: Colour of the lips.
        style: Length of the hair: 0 bald, 1 short, 2 long.
        hairline: Height of the hairline over the forehead.
        parting: Where the hairline is highest, to the left (< 0) or right.
        sides: How far hair covers the temples.
        beard: Strength of a beard, 0 none.
        glasses: 1 where worn.
        rim: Thickness of the glasses' rim.
        eye_x: Distance of the eyes from the middle.
        eye_y: Height of the eyes.
        eye_w: Half width of an eye.
        eye_h: Height of the upper lid at rest.
        brow_y: Distance from eye to brow at rest.
        brow_h: Half thickness of the brows.
        brow_arch: How arched they are.
        brow_tilt: How far their outer ends hang.
        nose_y: Height of the nose's tip.
        nose_w: Half width of the nose.
        mouth_y: Height of the mouth.
        mouth_w: Half width of the mouth.
        lip_h: Thickness of the upper lip.
        corner: How far the mouth's corners hang at rest.
        crease: Depth of folds at rest (age).
    """

    width: np.ndarray
    jaw: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    style: np.ndarray
    hairline: np.ndarray
    parting: np.ndarray
    sides: np.ndarray
    beard: np.ndarray
    glasses: np.ndarray
    rim: np.ndarray
    eye_x: np.ndarray
    eye_y: np.ndarray
    eye_w: np.ndarray
    eye_h: np.ndarray
    brow_y: np.ndarray
    brow_h: np.ndarray
    brow_arch: np.ndarray
    brow_tilt: np.ndarray
    nose_y: np.ndarray
    nose_w: np.ndarray
    mouth_y: np.ndarray
    mouth_w: np.ndarray
    lip_h: np.ndarray
    corner: np.ndarray
    crease: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """What differs from picture to picture; every field (n,), colours (n, 3).

    Attributes:
        actions: Intensities, (n, number of AUs), in the order of :data:`AUS`.
        strength: The expression's overall intensity, 0 to 1; of no meaning for neutral.
        asymmetry: The viewer's right side of the face moves more (> 0) or less.
        blink: How far the lids are closed.
        gaze_x: Where the irises point, to the right.
        gaze_y: Where the irises point, down.
        scale: Half height of the head; half the canvas is 1.
        x: Place of the head on the canvas, to the right.
        y: Place of the head on the canvas, down.
        roll: Tangent of half the angle by which the head is tilted.
        yaw: Turn of the head to the right, 1 is about 12 degrees.
        pitch: Turn of the head down, 1 is about 6 degrees.
        light_x: Direction of the light, from the right.
        light_y: Direction of the light, from below.
        ambient: Share of the light that comes from everywhere.
        gain: Exposure.
        cast: Colour of the light.
        back: Colour of the background.
        back_2: Second colour of the background.
        cloth: Colour of clothes, mask and bar.
        blob_x: Place of a shape behind the head, to the right.
        blob_y: Place of a shape behind the head, down.
        blob_r: Its radius.
        blur: Passes of a binomial filter, with fractions, 0 to 3.
        noise: Half range of the sensor's noise, grey levels.
        occluder: 0 none, 1 mask, 2 hand before the mouth, 3 hand at an eye, 4 dark glasses, 5 bar, 6 strand of hair.
        occluder_x: Where it is, or where one shifts it, -1 to 1.
        occluder_y: The same, other direction.
        noise_seed: Seed of the noise's stream.
    """

    actions: np.ndarray
    strength: np.ndarray
    asymmetry: np.ndarray
    blink: np.ndarray
    gaze_x: np.ndarray
    gaze_y: np.ndarray
    scale: np.ndarray
    x: np.ndarray
    y: np.ndarray
    roll: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    light_x: np.ndarray
    light_y: np.ndarray
    ambient: np.ndarray
    gain: np.ndarray
    cast: np.ndarray
    back: np.ndarray
    back_2: np.ndarray
    cloth: np.ndarray
    blob_x: np.ndarray
    blob_y: np.ndarray
    blob_r: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    occluder: np.ndarray
    occluder_x: np.ndarray
    occluder_y: np.ndarray
    noise_seed: np.ndarray


_Rows = TypeVar("_Rows", People, Scenes)


def take(table: _Rows, rows: np.ndarray | slice) -> _Rows:
    """Return some rows of a table of people or scenes."""
    return type(table)(**{field.name: getattr(table, field.name)[rows] for field in fields(table)})


def draw_people(stream_seeds: list[int]) -> People:
    """Draw one person per seed."""
    d = Draws(stream_seeds, 48)
    tone = d.uniform(0, 1)
    skin = _ramp(_SKIN, tone) + 0.02 * _colour(d, -1, 1)
    # Fair hair and eyes go with fair skin; grey hair with anybody.
    shade = np.where(tone < 0.5, d.uniform(0, 0.84), d.uniform(0, 0.3))
    hair = _ramp(_HAIR, np.where(d.uniform(0, 1) < 0.12, 1.0, shade))
    fair = np.where(tone < 0.4, d.uniform(0, 1), 0.0)[:, None]
    brown, blue = np.array([0.22, 0.13, 0.08]), np.array([0.32, 0.46, 0.52])
    redness = d.uniform(0, 1)[:, None]
    lips = skin * np.array([0.86, 0.60, 0.60]) + redness * np.array([0.06, -0.05, -0.03])
    return People(
        width=d.bell(0.66, 0.86),
        jaw=d.uniform(0.04, 0.24),
        skin=np.clip(skin, 0, 1),
        hair=hair,
        iris=brown + fair * (blue - brown),
        lips=np.clip(lips, 0, 1),
        style=d.chance(0.92) * (1 + d.chance(0.5)),
        parting=d.uniform(-0.3, 0.3),
        hairline=d.bell(-0.78, -0.48),
        sides=d.uniform(0.0, 0.16),
        beard=d.chance(0.2) * d.uniform(0.25, 0.85),
        glasses=d.chance(0.18),
        rim=d.uniform(0.018, 0.042),
        eye_x=d.bell(0.27, 0.37),
        eye_y=d.bell(-0.16, -0.04),
        eye_w=d.bell(0.145, 0.205),
        eye_h=d.bell(0.055, 0.105),
        brow_y=d.bell(0.17, 0.27),
        brow_h=d.bell(0.02, 0.06),
        brow_arch=d.bell(0.0, 0.09),
        brow_tilt=d.bell(-0.06, 0.06),
        nose_y=d.bell(0.20, 0.32),
        nose_w=d.bell(0.09, 0.16),
        mouth_y=d.bell(0.50, 0.62),
        mouth_w=d.bell(0.20, 0.30),
        lip_h=d.bell(0.025, 0.075),
        corner=d.bell(-0.04, 0.04),
        crease=d.uniform(0.0, 0.35),
    )


def draw_scenes(stream_seeds: list[int], labels: np.ndarray) -> Scenes:
    """Draw one picture's circumstances per seed, with the action units of its label.

    Args:
        stream_seeds: One seed per picture.
        labels: Index of each picture's expression, (n,).
    """
    d = Draws(stream_seeds, 112)
    strength = d.uniform(0.32, 1.0)
    actions = _actions(d, labels, strength)
    return Scenes(
        actions=actions,
        strength=strength,
        asymmetry=d.bell(-0.35, 0.35),
        blink=d.chance(0.04) * d.uniform(0.6, 1.0),
        gaze_x=d.bell(-0.06, 0.06),
        gaze_y=d.bell(-0.03, 0.03),
        scale=d.bell(0.80, 1.0),
        x=d.bell(-0.08, 0.08),
        y=d.bell(-0.04, 0.12),
        roll=d.bell(-0.12, 0.12),
        yaw=d.bell(-1.0, 1.0),
        pitch=d.bell(-0.8, 0.8),
        light_x=d.uniform(-1, 1),
        light_y=d.uniform(-1, 0.3),
        ambient=d.uniform(0.45, 0.9),
        gain=d.bell(0.55, 1.3),
        cast=1 + 0.08 * _colour(d, -1, 1),
        back=_muted(_colour(d, 0.05, 0.95)),
        back_2=_muted(_colour(d, 0.05, 0.95)),
        cloth=_muted(_colour(d, 0.05, 0.9)),
        blob_x=d.uniform(-1, 1),
        blob_y=d.uniform(-1, 1),
        blob_r=d.uniform(0.2, 0.9),
        blur=d.uniform(0, 2.0) * d.chance(0.5),
        noise=d.uniform(2, 22),
        occluder=(1 + d.choice(6)) * d.chance(0.15),
        occluder_x=d.uniform(-1, 1),
        occluder_y=d.uniform(-1, 1),
        noise_seed=(d.raw() >> np.uint64(1)).astype(np.int64),
    )


def _actions(d: Draws, labels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return intensities (n, number of AUs): a variant of the label's expression, scaled and jittered, and strays."""
    n_variants = max(len(variants) for variants in VARIANTS.values())
    table = np.zeros((len(VARIANTS), n_variants, len(AUS)))
    sizes = np.array([len(VARIANTS[name]) for name in EXPRESSIONS[: len(VARIANTS)]])
    for row, name in enumerate(EXPRESSIONS[: len(VARIANTS)]):
        for column, variant in enumerate(VARIANTS[name]):
            for unit, intensity in variant.items():
                table[row, column, AUS.index(unit)] = intensity
    chosen = table[labels, d.choice(12) % sizes[labels]]
    units = []
    for column in range(len(AUS)):
        stray = d.chance(0.10) * d.uniform(0.0, 0.45)
        units.append(np.maximum(chosen[:, column] * strength * d.uniform(0.6, 1.1), stray))
    return np.asarray(np.minimum(np.stack(units, axis=1), 1.0))


def _colour(d: Draws, low: float, high: float) -> np.ndarray:
    return np.stack([d.uniform(low, high) for _ in range(3)], axis=1)


def _muted(colours: np.ndarray) -> np.ndarray:
    grey = (colours[:, :1] + colours[:, 1:2] + colours[:, 2:]) / 3
    return np.asarray(grey + 0.4 * (colours - grey))


def _ramp(anchors: tuple[tuple[int, int, int], ...], place: np.ndarray) -> np.ndarray:
    """Return colours (n, 3) at places 0 to 1 along a ramp of 8-bit anchors."""
    ramp = np.array(anchors, dtype=np.float64) / 255
    scaled = place * (len(anchors) - 1)
    below = np.minimum(scaled.astype(np.int64), len(anchors) - 2)
    return np.asarray(ramp[below] + (scaled - below)[:, None] * (ramp[below + 1] - ramp[below]))


def stream_seed(seed: int, *names: object) -> int:
    """Return the seed of one of this data set's streams."""
    return seeds.derive(seed, "synthetic", *names)
