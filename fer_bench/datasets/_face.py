"""Draw faces, pixel for pixel the same on every machine.

Only operations whose result IEEE 754 fixes are used on the way to a pixel: elementwise + − × ÷, square root,
comparison, minimum, maximum and rounding, each in an order that this file fixes. There is no sine, exponential or
power, no sum whose order a build may choose, no matrix product and no drawing library: those may differ in the last
bit between processors and versions. Rotations are rational (the tangent of half the angle), noise is a sum of
integers, blur adds shifted copies.

A shape is a signed distance (negative inside) in head units, painted with an edge one pixel soft. In the head's frame x
points to the viewer's right, y down, the head is an ellipse of half height 1; (x, y) arrays are (n, h, w).
"""

import numpy as np

from fer_bench.datasets._portrait import AUS, People, Scenes, sum_of_quarters, take

_BATCH = 16
_REAL = np.float32  # its operations are fixed by IEEE 754 as well, in half the time


def draw(people: People, scenes: Scenes, size_px: int) -> np.ndarray:
    """Draw one face per row.

    Args:
        people: The person in each picture.
        scenes: The circumstances of each picture.
        size_px: Side of the pictures.

    Returns:
        RGB pictures, uint8 (n, size_px, size_px, 3).
    """
    n = len(scenes.strength)
    out = np.empty((n, size_px, size_px, 3), dtype=np.uint8)
    for start in range(0, n, _BATCH):
        rows = slice(start, start + _BATCH)
        out[rows] = _Picture(take(people, rows), take(scenes, rows), size_px).render()
    return out


def _pixels(values: np.ndarray) -> np.ndarray:
    """Give an (n,) array the shape (n, 1, 1), for arithmetic with pixels."""
    return np.asarray(values, dtype=_REAL)[:, None, None]


def _sign(values: np.ndarray) -> np.ndarray:
    """Return 1 where positive, else -1."""
    return (2 * (values > 0) - 1).astype(_REAL)


def _ellipse(x: np.ndarray, y: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """Return the (first-order) signed distance to an ellipse with half axes a and b around the origin."""
    u, v = x / a, y / b
    k = np.sqrt(u * u + v * v)
    u, v = u / a, v / b
    return np.asarray(k * (k - 1) / (np.sqrt(u * u + v * v) + 1e-6))


def _stroke(x: np.ndarray, dy: np.ndarray, start: np.ndarray | float, end: np.ndarray | float) -> np.ndarray:
    """Return the distance to a curve drawn from x = start to x = end, where ``dy`` is the height above it."""
    beyond = np.maximum(np.maximum(start - x, x - end), 0.0)
    return np.asarray(np.sqrt(beyond * beyond + dy * dy))


def _box(x: np.ndarray, y: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.maximum(np.abs(x) - a, np.abs(y) - b))


class _Picture:
    """A batch of pictures in the making: the canvas, the head's frame, and one method per part, in painting order."""

    def __init__(self, people: People, scenes: Scenes, size_px: int) -> None:
        self.people, self.scenes, self.size_px = people, scenes, size_px
        centres = (2 * np.arange(size_px, dtype=_REAL) + 1 - size_px) / size_px
        x = centres[None, None, :] - _pixels(scenes.x)
        y = centres[None, :, None] - _pixels(scenes.y)
        t, scale = _pixels(scenes.roll), _pixels(scenes.scale)
        norm = (1 + t * t) * scale
        cos, sin = (1 - t * t) / norm, 2 * t / norm
        self.x, self.y = x * cos + y * sin, y * cos - x * sin
        self.pixel = 2 / (size_px * scale)
        self.canvas_x, self.canvas_y = centres[None, None, :], centres[None, :, None]
        self.image = np.empty((len(scenes.strength), 3, size_px, size_px), dtype=_REAL)
        self.au = {unit: _pixels(scenes.actions[:, column]) for column, unit in enumerate(AUS)}

        self.width = _pixels(people.width)
        drop = 0.10 * self.au[26] * (self.y > 0)
        v = self.y / (1 + drop)
        narrow = 1 - _pixels(people.jaw) * np.maximum(v, 0.0) * np.maximum(v, 0.0)
        self.head = _ellipse(self.x / narrow, v, self.width, 1.0)
        u = self.x / (narrow * self.width)
        self.u, self.v = u, v
        self.depth = np.sqrt(np.maximum(1 - u * u - v * v, 0.0))
        # Features turn with the head, the more the further they stand out; sides swell and shrink accordingly.
        self.fx = self.x - 0.20 * _pixels(scenes.yaw) * self.depth
        self.fy = self.y - 0.10 * _pixels(scenes.pitch) * self.depth
        self.ax = np.abs(self.fx)
        side = 1 + _pixels(scenes.asymmetry) * _sign(self.fx)
        # Units that move a side at a time, with each side's strength.
        self.side = {unit: np.minimum(self.au[unit] * side, 1.2) for unit in (1, 2, 4, 6, 12, 15)}

    def render(self) -> np.ndarray:
        """Paint everything, back to front, and return uint8 (n, h, w, 3)."""
        self._background()
        self._hair_behind()
        self._body()
        self._skin()
        self._folds()
        self._nose()
        self._mouth()
        self._eyes()
        self._brows()
        self._light()
        self._hair_front()
        self._glasses()
        self._occluder()
        return self._photograph()

    def _p(self, name: str) -> np.ndarray:
        return _pixels(getattr(self.people, name))

    def _s(self, name: str) -> np.ndarray:
        return _pixels(getattr(self.scenes, name))

    def _edge(self, distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
        """Return how much of each pixel lies within a shape, 0 to 1."""
        return np.clip(0.5 - distance / (softness * self.pixel), 0.0, 1.0)

    def _paint(self, colour: np.ndarray, cover: np.ndarray) -> None:
        """Lay a colour, (3,), (n, 3) or (n, 3, h, w), over the picture where ``cover`` (n, h, w) says."""
        wide = (colour[..., None, None] if colour.ndim < 4 else colour).astype(_REAL, copy=False)
        self.image += cover[:, None] * (wide - self.image)

    def _shade(self, factor: float | np.ndarray, cover: np.ndarray) -> None:
        """Darken (factor < 1) or lighten the picture where ``cover`` says."""
        strength = 1 + (factor - 1) * cover
        self.image *= strength[:, None]

    def _background(self) -> None:
        s = self.scenes
        mix = np.clip(0.5 + 0.5 * (self.canvas_y * _pixels(s.blob_x) + self.canvas_x * _pixels(s.blob_y)), 0, 1)
        back = s.back.astype(_REAL)[:, :, None, None]
        back_2 = s.back_2.astype(_REAL)[:, :, None, None]
        self.image[:] = back + 0.5 * mix[:, None] * (back_2 - back)
        blob = _ellipse(
            self.canvas_x - _pixels(s.blob_x), self.canvas_y - _pixels(s.blob_y), _pixels(s.blob_r), _pixels(s.blob_r)
        )
        self._paint(s.back_2, 0.7 * np.clip(0.5 - blob / 0.3, 0, 1))

    def _hair_behind(self) -> None:
        long = _ellipse(self.x, self.y - 0.25, self.width + 0.2, 1.35)
        self._paint(0.8 * self.people.hair, self._edge(long) * (self._p("style") > 1.5))
        short = _ellipse(self.x, self.y + 0.13, self.width + 0.07, 0.98)
        self._paint(self.people.hair, self._edge(np.maximum(short, self.y - 0.05)) * (self._p("style") > 0.5))

    def _body(self) -> None:
        neck = _box(self.x, self.y - 1.2, 0.62 * self.width, 0.6)
        self._paint(0.72 * self.people.skin, self._edge(neck, 2))
        cloth = _ellipse(self.x, self.y - 1.84, 1.4, 0.72)
        self._paint(self.scenes.cloth, self._edge(cloth))
        ear = _ellipse(np.abs(self.x) - self.width, self.fy - 0.06, 0.09, 0.19)
        self._paint(0.86 * self.people.skin, self._edge(ear))

    def _skin(self) -> None:
        self._paint(self.people.skin, self._edge(self.head))
        blush = _ellipse(self.ax - 0.42, self.fy - 0.26 + 0.05 * self.side[6], 0.22, 0.17)
        self._paint(self.people.lips, (0.14 + 0.12 * self.au[6]) * np.clip(0.5 - blush / 0.2, 0, 1))
        stubble = np.clip(0.5 + (self.fy - 0.36 - 0.25 * (0.6 - self.ax)) / 0.16, 0, 1) * self._edge(self.head)
        moustache = np.clip(0.5 - _ellipse(self.fx, self.fy - self._p("mouth_y") + 0.12, 0.3, 0.08) / 0.06, 0, 1)
        self._paint(self.people.hair, self._p("beard") * np.maximum(stubble, moustache))

    def _folds(self) -> None:
        """Wrinkles: between the brows, on forehead, nose and cheeks, under the eyes, and on the chin."""
        au, ax, fy = self.au, self.ax, self.fy
        crease = self._p("crease")
        nose_y, mouth_y, eye_y = self._p("nose_y"), self._p("mouth_y"), self._p("eye_y")
        # Nasolabial fold: from the nose's wing to beside the mouth's corner; x as a curve over y.
        top, bottom = nose_y - 0.08, mouth_y - 0.02
        along = np.clip((fy - top) / (bottom - top), 0, 1)
        bulge = 0.10 * self.side[12] * 4 * along * (1 - along)
        fold_x = 0.15 + (0.20 + 0.10 * self.side[12]) * along + bulge + 0.04 * au[9]
        fold = _stroke(fy, ax - fold_x, top, bottom) - 0.018
        depth = np.minimum(0.35 * crease + 0.7 * self.side[12] + 0.75 * au[9] + 0.6 * au[10] + 0.2 * au[15], 1)
        self._shade(0.62, depth * self._edge(fold, 2))
        # AU 4: two upright furrows; AU 1 and 2: lines across the forehead; AU 9: lines across the nose's root.
        furrow = _stroke(fy, ax - 0.055 - 0.12 * (eye_y - 0.2 - fy), eye_y - 0.34, eye_y - 0.08) - 0.014
        self._shade(0.55, np.minimum(self.side[4] + 0.5 * au[9], 1) * self._edge(furrow, 1.5))
        for height in (0.40, 0.52):
            bend = 0.10 * ax * ax - 0.05 * self.side[1] * (1 - np.minimum(ax / 0.3, 1))
            line = _stroke(ax, fy - eye_y + height - bend, 0.0, 0.12 + 0.25 * self.side[2]) - 0.010
            self._shade(0.72, np.clip(0.5 * self.side[1] + 0.5 * self.side[2] - 0.1, 0, 1) * self._edge(line, 1.5))
        for height in (0.02, 0.10):
            line = _stroke(ax, fy - eye_y - height - 0.4 * ax, 0.0, 0.11) - 0.012
            self._shade(0.58, au[9] * self._edge(line, 1.2))
        # AU 6 and 7: a pouch under the eye; AU 6: crow's feet.
        u = (ax - self._p("eye_x")) / self._p("eye_w")
        pouch = _stroke(u, fy - eye_y - 0.15 + 0.04 * self.side[6] + 0.05 * u * u, -0.8, 0.9) - 0.012
        self._shade(0.72, np.minimum(0.5 * crease + 0.7 * self.side[6] + 0.35 * au[7], 1) * self._edge(pouch, 1.5))
        for tilt in (-0.5, 0.5):
            foot = _stroke(u, fy - eye_y - tilt * (u - 1) * 0.16, 1.15, 1.6) - 0.008
            self._shade(0.7, self.side[6] * self._edge(foot, 1.2))
        # AU 17: the chin's boss is pushed up and dimpled.
        chin = _ellipse(self.fx, fy - mouth_y - 0.24, 0.15, 0.09)
        self._shade(0.78, au[17] * self._edge(np.abs(chin) - 0.012, 2) * (fy < mouth_y + 0.24))

    def _nose(self) -> None:
        au, yaw = self.au, self._s("yaw")
        tip_x = self.fx - 0.07 * yaw
        width, tip_y = self._p("nose_w") * (1 + 0.25 * au[9] + 0.1 * au[12]), self._p("nose_y") - 0.05 * au[9]
        ridge = np.clip((self.fy + 0.1) / (tip_y + 0.1), 0, 1)
        half = 0.045 + (width - 0.045) * ridge * ridge
        shadow = _stroke(self.fy, tip_x - np.where(yaw > 0, half, -half), -0.02, tip_y) - 0.014
        self._shade(0.80, self._edge(shadow, 2.5))
        tip = _ellipse(tip_x, self.fy - tip_y + 0.05, 0.06, 0.07)
        self._shade(1.12, np.clip(0.5 - tip / 0.1, 0, 1))
        base = _stroke(np.abs(tip_x), self.fy - tip_y - 0.05 + 0.5 * np.abs(tip_x), 0.0, width) - 0.014
        self._shade(0.70, self._edge(base, 1.5))
        nostril = _ellipse(np.abs(tip_x) - 0.55 * width, self.fy - tip_y - 0.015, 0.036, 0.022 + 0.01 * au[9])
        self._shade(0.35, 0.85 * self._edge(nostril))

    def _mouth(self) -> None:
        au = self.au
        x = self.fx - 0.02 * self._s("yaw")
        stretch = 1 + 0.34 * au[12] + 0.36 * au[20] - 0.20 * au[23] - 0.26 * au[26] * (1 - au[12]) * (1 - au[20])
        width = self._p("mouth_w") * stretch
        u = np.clip(x / width, -1, 1)
        s = 1 - u * u
        root = np.sqrt(s)
        arc = 0.45 * s + 0.55 * root  # between a lens (parabolas) and an ellipse
        corner = self._p("corner") - 0.20 * self.side[12] + 0.15 * self.side[15] + 0.05 * au[20]
        middle_y = self._p("mouth_y") + 0.03 * au[26] - 0.03 * au[17] - 0.03 * au[10] + 0.02 * au[12]
        line = middle_y + corner * (0.15 * np.abs(u) + 0.85 * u * u)
        parted = np.maximum(np.maximum(au[25], 0.6 * au[26]), 0.35 * au[16])
        up = 0.05 * parted + 0.06 * au[10] * parted + 0.03 * au[12] * parted
        down = 0.05 * parted + 0.20 * au[26] + 0.06 * au[16] * parted + 0.05 * au[12] * parted
        thin = 1 - 0.65 * au[23] - 0.2 * au[20] - 0.2 * au[12]
        upper_lip = self._p("lip_h") * thin * (1 + 0.2 * au[10])
        lower_lip = self._p("lip_h") * 1.35 * thin * (1 + 0.4 * au[16] + 0.25 * au[17])
        top, bottom = line - up * arc, line + down * arc
        # The upper lip has a bow: lower in the middle than on both its sides.
        bow = 1 - 0.25 * np.maximum(1 - np.abs(u) * 4, 0)
        ends = np.abs(x) - width
        lips = np.maximum(np.maximum(top - upper_lip * root * bow - self.fy, self.fy - bottom - lower_lip * root), ends)
        self._shade(
            0.80, self._edge(np.abs(self.fy - bottom - lower_lip - 0.045) - 0.02 + np.maximum(np.abs(u) - 0.5, 0), 2)
        )
        self._paint(self.people.lips, self._edge(lips))
        inside = np.maximum(np.maximum(top - self.fy, self.fy - bottom), ends)
        opening = self._edge(inside) * np.minimum((up + down) / 0.03, 1)
        self._paint(np.array([0.20, 0.05, 0.06]), opening)
        tongue = _ellipse(x, self.fy - bottom - 0.02, 0.7 * width, 0.10)
        self._paint(np.array([0.62, 0.25, 0.26]), 0.7 * opening * self._edge(tongue, 2))
        teeth = np.array([0.93, 0.91, 0.86])
        upper_teeth = np.minimum(0.85 * au[12] + 0.8 * au[10] + 0.55 * au[20] + 0.35 * au[25], 1)
        self._paint(teeth, upper_teeth * opening * self._edge(self.fy - top - 0.085 * np.sqrt(root)))
        lower_teeth = np.minimum(1.1 * au[16] + 0.6 * au[20], 1)
        self._paint(teeth, lower_teeth * opening * self._edge(bottom - 0.055 - self.fy))
        seam = _stroke(x, self.fy - line, -width, width) - 0.014
        self._shade(0.42, self._edge(seam, 1.2) * (1 - opening))
        pit = _ellipse(np.abs(x) - width, self.fy - middle_y - corner, 0.035, 0.03)
        self._shade(0.62, self._edge(pit, 1.5))

    def _eyes(self) -> None:
        au, people = self.au, self.people
        eye_w, eye_y, eye_h = self._p("eye_w"), self._p("eye_y"), self._p("eye_h")
        x = self.ax - self._p("eye_x")
        u = np.clip(x / eye_w, -1, 1)
        arc = 0.5 * (1 - u * u) + 0.5 * np.sqrt(1 - u * u)
        open_ = 1 - self._s("blink")
        up = eye_h * (1 + 0.95 * au[5] - 0.35 * au[4] * (1 - au[5]) - 0.30 * au[9]) * open_
        low = 0.62 * eye_h * (1 - 0.75 * au[6] - 0.75 * au[7] * (1 - 0.5 * au[6]) + 0.35 * au[5] - 0.3 * au[9]) * open_
        tilt = eye_y - 0.02 * u
        top, bottom = tilt - np.maximum(up, 0.012) * arc, tilt + np.maximum(low, 0.010) * arc
        socket = _ellipse(x, self.fy - eye_y + 0.03, 1.35 * eye_w, 0.17)
        self._shade(0.86, np.clip(0.5 - socket / 0.12, 0, 1))
        lens = np.maximum(np.maximum(top - self.fy, self.fy - bottom), np.abs(x) - eye_w)
        inside = self._edge(lens)
        self._paint(np.array([0.92, 0.91, 0.90]), inside)
        iris_x = self.fx - _sign(self.fx) * self._p("eye_x") - self._s("gaze_x")
        iris_y = self.fy - eye_y + 0.012 - self._s("gaze_y")
        self._paint(people.iris, inside * self._edge(_ellipse(iris_x, iris_y, 0.078, 0.078)))
        self._paint(np.array([0.03, 0.03, 0.03]), inside * self._edge(_ellipse(iris_x, iris_y, 0.036, 0.036)))
        glint = _ellipse(iris_x + 0.025, iris_y + 0.028, 0.018, 0.018)
        self._paint(np.array([1.0, 1.0, 1.0]), 0.8 * inside * self._edge(glint))
        self._shade(0.75, inside * np.clip(1 - (self.fy - top) / 0.04, 0, 1))
        lash = _stroke(x, self.fy - top, -eye_w, 1.05 * eye_w) - 0.020
        self._shade(0.22, 0.9 * self._edge(lash, 1.2))
        rim = _stroke(x, self.fy - bottom, -eye_w, eye_w) - 0.008
        self._shade(0.62, self._edge(rim, 1.5))
        crease = _stroke(x, self.fy - top + 0.05 + 0.02 * au[5], -eye_w, eye_w) - 0.008
        self._shade(0.74, np.clip(0.8 - 0.7 * au[4], 0, 1) * self._edge(crease, 1.5))

    def _brows(self) -> None:
        side, au = self.side, self.au
        inner = 0.125 - 0.05 * side[4]
        outer = self._p("eye_x") + 0.24
        t = np.clip((self.ax - inner) / (outer - inner), 0, 1)
        rest = self._p("eye_y") - self._p("brow_y") - self._p("brow_arch") * 4 * t * (1 - t) + self._p("brow_tilt") * t
        inner_lift = 0.17 * side[1] - 0.15 * side[4] * (1 - 0.6 * side[1]) - 0.10 * au[9]
        outer_lift = 0.16 * side[2] - 0.03 * side[4] - 0.04 * au[9]
        middle = 0.6 * t * (1 - t) * (side[2] * 0.12 - side[4] * 0.05)
        lift = inner_lift * (1 - t) + outer_lift * t + middle
        curve = rest - lift - 0.03 * side[1] * (1 - t)
        thick = self._p("brow_h") * (1 - 0.55 * t * t) * np.minimum(0.6 + 3 * t, 1)
        brow = _stroke(self.ax, self.fy - curve, inner, outer) - thick
        self._paint(0.75 * self.people.hair, 0.9 * self._edge(brow, 1.2))

    def _light(self) -> None:
        """Light the head as an ellipsoid from one side, and let it cast a soft shadow on the neck."""
        light_x, light_y = self._s("light_x"), self._s("light_y")
        length = np.sqrt(light_x * light_x + light_y * light_y + 1)
        bright = np.maximum((self.u * light_x + self.v * light_y + self.depth) / length, 0.0)
        ambient = self._s("ambient")
        inside = self._edge(self.head)
        self._shade(1 + 0.12 * bright, inside)
        self._shade(ambient + (1 - ambient) * bright, inside)
        under = (
            np.clip(0.5 - (self.head - 0.1) / 0.3, 0, 1)
            * (1 - inside)
            * self._edge(_box(self.x, self.y - 1.2, 0.62 * self.width, 0.6))
        )
        self._shade(0.6, under)

    def _hair_front(self) -> None:
        # Between the cap and the skin: an ellipse of face that the hair leaves free.
        cap = _ellipse(self.x, self.y + 0.06, self.width + 0.06, 1.06)
        free_y = (self.y - 0.45) / (0.45 - self._p("hairline"))
        free_x = (self.x - self._p("parting") * np.clip(-0.1 - self.y, 0, 1)) / (self.width * (1.04 - self._p("sides")))
        free = free_x * free_x * free_x * free_x + free_y * free_y
        hair = np.maximum(np.maximum(cap, (1 - free) * 0.3), self.y - 0.25)
        streak = 0.85 + 0.3 * np.clip(0.5 - _ellipse(self.x + 0.25, self.y + 0.85, 0.5, 0.2) / 0.4, 0, 1)
        colour = self.people.hair.astype(_REAL)[:, :, None, None] * streak[:, None]
        self._paint(colour, self._edge(hair, 1.5) * (self._p("style") > 0.5))

    def _glasses(self) -> None:
        x, y = self.ax - self._p("eye_x") - 0.01, self.fy - self._p("eye_y") - 0.03
        lens = _ellipse(x, y, 0.25, 0.19)
        frame = np.abs(lens) - self._p("rim")
        bridge = _stroke(self.ax, y + 0.05, 0.0, 0.09) - self._p("rim")
        temple = _stroke(self.ax, y + 0.04, self._p("eye_x") + 0.25, self.width) - 0.018
        worn = self._p("glasses")
        self._paint(np.array([0.10, 0.09, 0.09]), worn * self._edge(np.minimum(np.minimum(frame, bridge), temple)))
        gleam = _stroke(y + x, x - y + 0.1, -0.12, 0.1) - 0.03
        self._paint(np.array([1.0, 1.0, 1.0]), 0.35 * worn * self._edge(gleam) * self._edge(lens))

    def _occluder(self) -> None:
        """Cover a part of some faces; the kinds are those of :class:`Scenes`."""
        kind, ox, oy = self._s("occluder"), self._s("occluder_x"), self._s("occluder_y")
        mask_top = self._p("nose_y") - 0.12 + 0.25 * self.ax * self.ax
        mask = np.maximum(np.maximum(mask_top - self.fy, self.head - 0.01), self.fy - 1.02)
        self._paint(0.5 + 0.4 * self.scenes.cloth, (kind == 1) * self._edge(mask))
        pleats = np.abs(np.abs(self.fy - 0.55) - 0.1) - 0.012
        self._shade(0.8, (kind == 1) * self._edge(np.maximum(pleats, mask), 1.5))
        hand_x = np.where(kind == 2, 0.30 * ox, 0.36 * _sign(ox))
        hand_y = np.where(kind == 2, self._p("mouth_y") + 0.12 + 0.1 * oy, self._p("eye_y") + 0.12 + 0.1 * oy)
        self._hand((kind == 2) | (kind == 3), self.fx - hand_x, self.fy - hand_y)
        lens = _ellipse(self.ax - self._p("eye_x") - 0.01, self.fy - self._p("eye_y") - 0.03, 0.28, 0.21)
        bridge = _stroke(self.ax, self.fy - self._p("eye_y") + 0.03, 0.0, self.width) - 0.03
        self._paint(np.array([0.05, 0.05, 0.06]), (kind == 4) * self._edge(np.minimum(lens, bridge)))
        t = 0.6 * oy
        bar = np.abs(self.y + t * self.x - 0.2 - 0.5 * ox) - 0.11
        self._paint(0.4 * self.scenes.cloth, (kind == 5) * self._edge(bar))
        strand = np.abs(self.x - 0.4 * ox - 0.25 * self.y * self.y) - 0.10 - 0.06 * oy
        self._paint(self.people.hair, (kind == 6) * self._edge(np.maximum(strand, np.abs(self.y + 0.2) - 0.75), 1.5))

    def _hand(self, shown: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """Four fingers laid across, and the back of the hand below."""
        palm = _ellipse(x, y - 0.42, 0.30, 0.32)
        fingers = palm
        for place, length in ((-0.21, 0.20), (-0.07, 0.27), (0.07, 0.25), (0.21, 0.17)):
            finger = _stroke(y, x - place - 0.12 * place * y, -length, 0.3) - 0.068
            gap = np.abs(finger) - 0.012
            self._paint(0.92 * self.people.skin, shown * self._edge(finger))
            self._shade(0.68, shown * self._edge(np.maximum(gap, y - 0.25)))
            fingers = np.minimum(fingers, finger)
        self._paint(0.92 * self.people.skin, shown * self._edge(palm))

    def _photograph(self) -> np.ndarray:
        """Expose, blur, add noise and quantise."""
        s = self.scenes
        self.image *= s.cast.astype(_REAL)[:, :, None, None] * _pixels(s.gain)[:, None]
        for step in range(3):
            share = np.clip(_pixels(s.blur) - step, 0, 1)[:, None]
            self.image += share * (_binomial(_binomial(self.image, 2), 3) - self.image)
        n_values = 3 * self.size_px * self.size_px
        raw = np.stack([np.random.PCG64(int(seed)).random_raw(n_values) for seed in s.noise_seed])
        bell = sum_of_quarters(raw).astype(_REAL).reshape(self.image.shape) / 131070 - 1
        levels = 255.0 * np.clip(self.image, 0, 1) + _pixels(s.noise)[:, None] * bell
        return np.rint(np.clip(levels, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)


def _binomial(image: np.ndarray, axis: int) -> np.ndarray:
    """Return (left + 2 × itself + right) / 4 along an axis; edges are repeated."""
    side = image.shape[axis]
    before = np.take(image, np.maximum(np.arange(side) - 1, 0), axis=axis)
    after = np.take(image, np.minimum(np.arange(side) + 1, side - 1), axis=axis)
    return np.asarray((before + 2 * image + after) / 4)
