"""Pictures a reader moves: frames behind sliders, and a mesh to turn.

Both carry all they show within themselves, as bytes, and need neither a kernel nor a network: what a notebook saved
works in a built page that is opened from a folder. Their script is `explorer.js`.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .pictures import pixels

if TYPE_CHECKING:
    import trimesh

_HERE = Path(__file__).parent
_GREY = (190, 190, 190)


class FrameExplorer(anywidget.AnyWidget):
    """A grid of pictures made beforehand, one slider for each of its axes.

        FrameExplorer(frames, {"time": times, "guidance": scales}, alt="a castle, denoised")

    frames: array or tensor (n_1, ..., n_k, H, W, 3) in 0..1; or a sequence of pictures, PIL's or (H, W, 3), in the
        order in which the last axis moves fastest.
    axes: name -> its values, which are shown beside the slider; k of them, the first axis of `frames` first.
    alt: what the pictures show, for readers who cannot see them.
    captions: a line of text under each picture, in the order of `frames`.
    start: index on each axis to begin with. width: of the picture on the page, in pixels; a small picture is
        enlarged without blur. lossless: whether to keep every pixel; unless told, pictures of up to 128 pixels are.

    Raises ValueError if the number of pictures, captions or starts does not fit the axes.
    """

    _esm = _HERE / "explorer.js"
    _css = _HERE / "explorer.css"
    kind = traitlets.Unicode("frames").tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)  # all pictures, one after another
    sizes = traitlets.List(traitlets.Int()).tag(sync=True)  # bytes of each
    axes = traitlets.List().tag(sync=True)  # [{"name": str, "values": [str, ...]}, ...]
    index = traitlets.List(traitlets.Int()).tag(sync=True)  # where each slider stands
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    crisp = traitlets.Bool().tag(sync=True)  # enlarge without blur

    def __init__(
        self,
        frames: NDArray | Tensor | Sequence[NDArray | Tensor | Image.Image],
        axes: Mapping[str, Sequence[object]],
        alt: str,
        captions: Sequence[str] = (),
        start: Sequence[int] | None = None,
        width: int | None = None,
        lossless: bool | None = None,
    ):
        shape = tuple(len(values) for values in axes.values())
        if not shape or 0 in shape:
            raise ValueError("an explorer has at least one axis, and each axis at least one value")
        start = [0] * len(shape) if start is None else [int(i) for i in start]
        if len(start) != len(shape) or not all(0 <= i < n for i, n in zip(start, shape, strict=True)):
            raise ValueError(f"start {start} is no place on axes of {shape} values")
        self._shape, self._lossless = shape, lossless
        data, sizes, across = self._encode(frames, captions)
        width = width or max(across, 320)
        super().__init__(
            data=data,
            sizes=sizes,
            axes=[{"name": name, "values": [_text(v) for v in values]} for name, values in axes.items()],
            index=start,
            captions=list(captions),
            alt=alt,
            width=width,
            crisp=across <= width / 2,
        )

    def replace(
        self, frames: NDArray | Tensor | Sequence[NDArray | Tensor | Image.Image], captions: Sequence[str], alt: str
    ) -> None:
        """Show other frames on the same axes; pages with a kernel follow. Raises ValueError as the constructor does."""
        data, sizes, _ = self._encode(frames, captions)
        with self.hold_sync():  # in one message, or a page would cut the new bytes by the old sizes
            self.data, self.sizes, self.captions, self.alt = data, sizes, list(captions), alt

    def _encode(self, frames: object, captions: Sequence[str]) -> tuple[bytes, list[int], int]:
        """All pictures as bytes, the bytes of each, and their width."""
        pictures = _pictures(frames, self._shape)
        if captions and len(captions) != len(pictures):
            raise ValueError(f"{len(pictures)} pictures, but {len(captions)} captions")
        across = pictures[0].width
        encoded = [_webp(picture, across <= 128 if self._lossless is None else self._lossless) for picture in pictures]
        return b"".join(encoded), [len(e) for e in encoded], across


class MeshViewer(anywidget.AnyWidget):
    """A mesh with coloured vertices that turns by dragging, touch or the arrow keys. The world's z is up, x the front.

        MeshViewer.from_mesh(trimesh.load("castle.ply"), alt="a red castle")

    vertices: (V, 3), any unit. faces: (F, 3) indices of vertices. colours: (V, 3) in 0..1, or None for grey.
    azimuth, elevation: of the first view, degrees as in `radiance.cameras`. height: of the picture, in pixels.
    turn: whether the mesh turns slowly until it is touched (never for readers who asked for less motion).

    Positions are kept to 1/65535 of the mesh's longest side and colours to 1/255: about 20 bytes a vertex.
    Raises ValueError for other shapes, no face, or a face that names no vertex.
    """

    _esm = _HERE / "explorer.js"
    _css = _HERE / "explorer.css"
    kind = traitlets.Unicode("mesh").tag(sync=True)
    positions = traitlets.Bytes().tag(sync=True)  # uint16 (V, 3), of 65535 to the longest side
    faces = traitlets.Bytes().tag(sync=True)  # uint16 (F, 3), or uint32 if there are more vertices
    colours = traitlets.Bytes().tag(sync=True)  # uint8 (V, 3)
    count = traitlets.List(traitlets.Int()).tag(sync=True)  # V, F
    alt = traitlets.Unicode().tag(sync=True)
    azimuth = traitlets.Float().tag(sync=True)
    elevation = traitlets.Float().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    turn = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        vertices: NDArray | Tensor,
        faces: NDArray | Tensor,
        colours: NDArray | Tensor | None = None,
        alt: str = "a mesh",
        azimuth: float = 25.0,
        elevation: float = 15.0,
        height: int = 380,
        turn: bool = True,
    ):
        vertices, faces = (np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v) for v in (vertices, faces))
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            raise ValueError(f"vertices and faces are (V, 3) and (F, 3), not {vertices.shape} and {faces.shape}")
        if not len(faces):
            raise ValueError("the mesh has no face: nothing can be shown")
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise ValueError(f"a face names a vertex outside 0..{len(vertices) - 1}")
        if not np.isfinite(vertices).all():
            raise ValueError("a vertex is not finite")
        if colours is None:
            colours = np.full(vertices.shape, _GREY, np.uint8)
        colours = pixels(np.asarray(colours)[None] if not isinstance(colours, Tensor) else colours[None])[0]  # (V, 3)
        if len(colours) != len(vertices):
            raise ValueError(f"{len(vertices)} vertices, but {len(colours)} colours")
        low = vertices.min(0)
        longest = max(float((vertices - low).max()), 1e-12)
        index = np.uint16 if len(vertices) <= 65536 else np.uint32
        super().__init__(
            positions=np.rint((vertices - low) / longest * 65535).astype("<u2").tobytes(),
            faces=faces.astype(np.dtype(index).newbyteorder("<")).tobytes(),
            colours=colours.tobytes(),
            count=[len(vertices), len(faces)],
            alt=alt,
            azimuth=azimuth,
            elevation=elevation,
            height=height,
            turn=turn,
        )

    @classmethod
    def from_mesh(
        cls,
        mesh: "trimesh.Trimesh",
        alt: str = "a mesh",
        most_faces: int = 60_000,
        azimuth: float = 25.0,
        elevation: float = 15.0,
        height: int = 380,
        turn: bool = True,
    ) -> "MeshViewer":
        """A viewer of a trimesh with the colours of its vertices, thinned to about `most_faces` faces or fewer.

        Raises ValueError if the mesh has no face.
        """
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
        colours = None
        if mesh.visual is not None and mesh.visual.defined:
            visual = mesh.visual if mesh.visual.kind in ("vertex", "face") else mesh.visual.to_color()
            colours = np.asarray(visual.vertex_colors)[:, :3] / 255.0
        if len(faces) > most_faces:
            vertices, faces, colours = thin(vertices, faces, colours, most_faces)
        return cls(vertices, faces, colours, alt, azimuth, elevation, height, turn)


def thin(
    vertices: NDArray, faces: NDArray, colours: NDArray | None, most_faces: int
) -> tuple[NDArray, NDArray, NDArray | None]:
    """Merge the vertices (V, 3) of each cell of a lattice into their mean, and drop the faces that fall flat.

    The lattice is the finest that leaves at most `most_faces` faces, as far as halving the range 8 times finds it.
    """
    low = vertices.min(0)
    longest = max(float((vertices - low).max()), 1e-12)

    def merge(cells: float) -> tuple[NDArray, NDArray, NDArray]:
        key = np.floor((vertices - low) / longest * cells).astype(np.int64)  # (V, 3)
        _, group, size = np.unique(key @ [1 << 42, 1 << 21, 1], return_inverse=True, return_counts=True)
        merged = np.sort(group[faces], 1)  # (F, 3)
        _, first = np.unique(merged, axis=0, return_index=True)
        whole = (merged[first, 0] != merged[first, 1]) & (merged[first, 1] != merged[first, 2])
        return group, size, group[faces[np.sort(first[whole])]]

    coarse, fine = 1.0, 2048.0
    for _ in range(8):
        middle = (coarse * fine) ** 0.5
        coarse, fine = (middle, fine) if len(merge(middle)[2]) <= most_faces else (coarse, middle)
    group, size, faces = merge(coarse)

    def mean(values: NDArray) -> NDArray:
        return np.stack([np.bincount(group, column) for column in values.T], 1) / size[:, None]

    return mean(vertices), faces, None if colours is None else mean(colours)


def _pictures(frames: object, shape: tuple[int, ...]) -> list[Image.Image]:
    """The pictures of a grid, the last axis fastest."""
    if isinstance(frames, np.ndarray | Tensor):
        if frames.ndim != len(shape) + 3 or tuple(frames.shape[: len(shape)]) != shape:
            raise ValueError(
                f"frames for axes of {shape} values are {(*shape, 'H', 'W', 3)}, not {tuple(frames.shape)}"
            )
        flat = pixels(frames)
        frames = flat.reshape(-1, *flat.shape[-3:])  # (n_1 * ... * n_k, H, W, 3)
    pictures = [f.convert("RGB") if isinstance(f, Image.Image) else Image.fromarray(pixels(f)) for f in frames]
    if len(pictures) != np.prod(shape):
        raise ValueError(f"axes of {shape} values need {np.prod(shape)} pictures, not {len(pictures)}")
    if len({p.size for p in pictures}) > 1:
        raise ValueError(f"the pictures of an explorer are of one size, not {sorted({p.size for p in pictures})}")
    return pictures


def _webp(picture: Image.Image, lossless: bool) -> bytes:
    """One picture as WebP; small files, which every browser shows."""
    data = io.BytesIO()
    picture.save(data, "WEBP", lossless=lossless, quality=85, method=4)
    return data.getvalue()


def _text(value: object) -> str:
    """A value beside a slider, numbers without their last digits of noise."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
