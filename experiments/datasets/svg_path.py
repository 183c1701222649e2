"""SVG path data as a small grey picture."""

import math
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

_Point = complex
_NUMBER = re.compile(r"[\s,]*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_FLAG = re.compile(r"[\s,]*([01])")
_COMMAND = re.compile(r"[\s,]*([MmLlHhVvCcSsQqTtAaZz])")
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def draw(data: str, size: int, view: float = 24.0) -> npt.NDArray[np.uint8]:
    """The share of each pixel that the path covers, times 255.

    Args:
      data: the `d` attribute of an SVG path.
      size: height and width in pixels.
      view: height and width of the path's coordinates, from 0.

    Raises:
      ValueError: not path data.
    """
    renderer = RendererAgg(size, size, 72)
    context = renderer.new_gc()
    context.set_linewidth(0)
    context.set_snap(False)
    scale = size / view
    flip = Affine2D().scale(scale, -scale).translate(0, size)
    renderer.draw_path(context, parse(data), flip, (1.0, 1.0, 1.0))
    return np.array(renderer.buffer_rgba())[..., 3]


def parse(data: str) -> Path:
    """The path with absolute lines and Bézier curves; SVG 1.1, section 8.3.

    Raises:
      ValueError: not path data.
    """
    vertices: list[_Point] = []
    codes: list[np.uint8] = []
    here = start = control = 0j  # control: the last curve's second control point
    previous = ""

    def add(code: np.uint8, *points: _Point) -> None:
        vertices.extend(points)
        codes.extend([code] * len(points))

    for command, values in _segments(data):
        kind = command.upper()
        origin = here if command.islower() else 0j
        points = [complex(x, y) + origin for x, y in zip(values[::2], values[1::2], strict=False)]
        if kind == "Z":
            add(Path.CLOSEPOLY, start)
            here = start
        elif kind == "M":
            here = start = points[0]
            add(Path.MOVETO, here)
        elif kind in "LHV":
            if kind == "H":
                here = complex(values[0] + origin.real, here.imag)
            elif kind == "V":
                here = complex(here.real, values[0] + origin.imag)
            else:
                here = points[0]
            add(Path.LINETO, here)
        elif kind in "CS":
            first = 2 * here - control if previous in "CS" and previous else here
            first, second, here = (first, *points) if kind == "S" else points
            add(Path.CURVE4, first, second, here)
            control = second
        elif kind in "QT":
            middle = 2 * here - control if previous in "QT" and previous else here
            middle, here = (middle, *points) if kind == "T" else points
            add(Path.CURVE3, middle, here)
            control = middle
        else:
            end = complex(values[5], values[6]) + origin
            for curve in _arc(here, end, *values[:5]):
                add(Path.CURVE4, *curve)
            if here != end and not (values[0] and values[1]):
                add(Path.LINETO, end)
            here = end
        previous = kind
    if not vertices:
        raise ValueError("empty path")
    return Path(np.array([(v.real, v.imag) for v in vertices]), codes)


def _segments(data: str) -> Iterator[tuple[str, list[float]]]:
    position, command = 0, ""
    end = len(data.rstrip())
    while position < end:
        match = _COMMAND.match(data, position)
        if match:
            command, position = match[1], match.end()
        elif command in "Zz":  # also: no command yet
            raise ValueError(f"expected a command at character {position} of path {data[:40]!r}")
        elif command in "Mm":
            command = "L" if command == "M" else "l"  # further pairs of a move are lines
        values = []
        for index in range(_ARGUMENTS[command.upper()]):
            number = _FLAG if command in "Aa" and index in (3, 4) else _NUMBER
            match = number.match(data, position)
            if match is None:
                raise ValueError(f"expected a number at character {position} of path {data[:40]!r}")
            values.append(float(match[1]))
            position = match.end()
        yield command, values


def _arc(
    start: _Point, end: _Point, rx: float, ry: float, angle: float, large: float, sweep: float
) -> list[list[_Point]]:
    """Bézier curves of an elliptical arc, from end points to centre: SVG 1.1, section F.6.5."""
    if start == end or not rx or not ry:
        return []
    turn = complex(math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    half = (start - end) / 2 * turn.conjugate()
    x, y = half.real / abs(rx), half.imag / abs(ry)
    stretch = max(1.0, math.hypot(x, y))  # radii that are too small grow until the arc fits
    rx, ry, x, y = abs(rx) * stretch, abs(ry) * stretch, x / stretch, y / stretch
    length = x * x + y * y
    offset = math.sqrt(max(0.0, 1 / length - 1)) * (-1 if large == sweep else 1)
    centre = complex(offset * y, -offset * x)
    first = math.degrees(math.atan2(y - centre.imag, x - centre.real))
    last = math.degrees(math.atan2(-y - centre.imag, -x - centre.real))
    # Path.arc goes counter-clockwise from its first to its second angle, by less than a turn.
    arc = Path.arc(first, last) if sweep else Path.arc(last, first)
    unit = [complex(x, y) for x, y in np.asarray(arc.vertices, float)]
    if not sweep:
        unit.reverse()
    middle = (start + end) / 2
    points = [middle + complex(rx * (p + centre).real, ry * (p + centre).imag) * turn for p in unit]
    return [points[i : i + 3] for i in range(1, len(points), 3)]
