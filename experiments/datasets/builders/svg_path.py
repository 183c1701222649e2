"""SVG path data as a small grey picture."""

import numpy as np
import numpy.typing as npt
from fontTools.pens.recordingPen import RecordingPen
from fontTools.svgLib.path import parse_path
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

_CODES = {
    "moveTo": Path.MOVETO,
    "lineTo": Path.LINETO,
    "curveTo": Path.CURVE4,
    "qCurveTo": Path.CURVE3,
    "closePath": Path.CLOSEPOLY,
}


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
    renderer.draw_path(context, _parse(data), flip, (1.0, 1.0, 1.0))
    return np.array(renderer.buffer_rgba())[..., 3]


def _parse(data: str) -> Path:
    pen = RecordingPen()
    try:
        parse_path(data, pen)
    except Exception as error:  # it fails in many ways
        raise ValueError(f"not path data: {data[:40]!r} ({error})") from error
    vertices: list[tuple[float, float]] = []
    codes: list[np.uint8] = []
    for name, points in pen.value:
        # A path that is closed needs a point in matplotlib, which does not matter.
        added = points or ([(0.0, 0.0)] if name == "closePath" else [])
        vertices += added
        codes += [_CODES[name]] * len(added) if added else []
    if not vertices:
        raise ValueError("empty path")
    return Path(np.array(vertices), codes)
