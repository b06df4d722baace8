"""Files of frames, sheets, widgets: what is written comes back, and what cannot be shown is refused in words."""

import numpy as np
import pytest
import torch
import trimesh
from matplotlib import pyplot as plt
from PIL import Image

from dreamtext_lib.viewing import style
from dreamtext_lib.viewing.explorer import FrameExplorer, MeshViewer, thin
from dreamtext_lib.viewing.film import Film, write_video, write_webp
from dreamtext_lib.viewing.pictures import contact_sheet, pixels, write_picture


@pytest.fixture
def frames():
    """A red square that moves over grey, (6, 33, 48, 3)."""
    out = torch.full((6, 33, 48, 3), 0.8)
    for i in range(6):
        out[i, 10:20, 5 * i : 5 * i + 12] = torch.tensor([0.9, 0.1, 0.1])
    return out


def test_a_video_holds_the_frames_in_a_form_that_browsers_play(frames, tmp_path):
    import imageio.v3 as iio

    write_video(frames, tmp_path / "t.mp4", fps=10)
    back = iio.imread(tmp_path / "t.mp4", plugin="FFMPEG")
    assert back.shape == (6, 34, 48, 3)  # an odd height is padded
    assert np.abs(back[:, :33] / 255 - frames.numpy()).mean() < 0.05
    meta = iio.immeta(tmp_path / "t.mp4", plugin="FFMPEG")
    assert meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p")


def test_an_animated_webp_holds_the_frames(frames, tmp_path):
    write_webp(frames, tmp_path / "t.webp", fps=10)
    film = Image.open(tmp_path / "t.webp")
    assert film.n_frames == 6 and film.info["loop"] == 0
    film.seek(5)
    assert np.abs(np.asarray(film.convert("RGB")) / 255 - frames[5].numpy()).mean() < 0.05


def test_a_film_moves_in_a_page_and_its_text_stays_text(frames):
    import base64
    import io
    import re

    shown = Film(frames, alt='a "red" <b>square</b>', fps=10, width=96)._repr_html_()
    assert "<b>" not in shown and shown.count("<") == 1 and "width: 96px" in shown
    film = Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])))
    assert film.format == "WEBP" and film.n_frames == 6


def test_pixels_clip_and_refuse():
    assert pixels(np.full((1, 1, 3), 2.0)).tolist() == [[[255, 255, 255]]]
    with pytest.raises(ValueError, match="not finite"):
        pixels(np.full((1, 1, 3), np.nan))
    with pytest.raises(ValueError, match="shape"):
        pixels(np.zeros((4, 4)))


def test_a_sheet_has_its_pictures_in_place(frames, tmp_path):
    sheet = contact_sheet(frames, columns=3, labels=[f"a rather long label {i}" for i in range(6)], scale=2, gap=4)
    array = np.asarray(sheet)
    assert sheet.width == 3 * 100 + 4
    assert (array[4 + 30, 4 + 10] == pixels(frames)[0, 15, 5]).all()  # the first picture, enlarged without blur
    write_picture(sheet, tmp_path / "s.png")
    assert Image.open(tmp_path / "s.png").size == sheet.size
    with pytest.raises(ValueError, match="6 pictures, but 1 labels"):
        contact_sheet(frames, 3, labels=["one"])
    with pytest.raises(ValueError, match="no picture"):
        contact_sheet([], 3)


def test_an_explorer_holds_each_frame(frames):
    import io

    widget = FrameExplorer(frames.reshape(2, 3, 33, 48, 3), {"time": [10, 20], "s": [0.5, 1, 2]}, alt="a square")
    assert [a["name"] for a in widget.axes] == ["time", "s"] and len(widget.sizes) == 6
    start = sum(widget.sizes[:4])
    picture = Image.open(io.BytesIO(widget.data[start : start + widget.sizes[4]])).convert("RGB")
    assert np.abs(np.asarray(picture) / 255 - frames[4].numpy()).mean() < 0.05
    with pytest.raises(ValueError):
        FrameExplorer(frames, {"time": [1, 2]}, alt="")
    with pytest.raises(ValueError, match="captions"):
        FrameExplorer(frames, {"time": range(6)}, alt="", captions=["one"])


def test_a_mesh_viewer_holds_the_mesh():
    mesh = trimesh.creation.icosphere(3)
    mesh.visual.vertex_colors = np.tile([200, 30, 30, 255], (len(mesh.vertices), 1)).astype(np.uint8)
    widget = MeshViewer.from_mesh(mesh, alt="a ball")
    assert widget.count == [len(mesh.vertices), len(mesh.faces)]
    back = np.frombuffer(widget.positions, "<u2").reshape(-1, 3) / 65535 * 2 - 1
    assert np.abs(back - mesh.vertices).max() < 0.02
    assert set(np.frombuffer(widget.colours, np.uint8).reshape(-1, 3)[0]) == {200, 30}
    with pytest.raises(ValueError, match="no face"):
        MeshViewer(np.zeros((3, 3)), np.zeros((0, 3), int))
    with pytest.raises(ValueError, match="names a vertex"):
        MeshViewer(np.zeros((3, 3)), np.array([[0, 1, 7]]))


def test_thinning_keeps_the_shape():
    mesh = trimesh.creation.icosphere(5)
    vertices, faces, _ = thin(np.asarray(mesh.vertices), np.asarray(mesh.faces), None, 3000)
    small = trimesh.Trimesh(vertices, faces)
    assert 500 < len(faces) <= 3000
    assert np.abs(np.linalg.norm(vertices, axis=1) - 1).max() < 0.05
    assert small.area == pytest.approx(mesh.area, rel=0.05)


def test_the_style_tells_lines_apart_without_colour():
    style.use()
    figure, axis = plt.subplots()
    lines = [axis.plot([0, 1], [i, i])[0] for i in range(4)]
    assert len({line.get_linestyle() for line in lines}) == 4 and len({line.get_color() for line in lines}) == 4
    plt.close(figure)


def test_a_diagram_draws_its_boxes_and_arrows():
    from matplotlib import pyplot as plt

    from dreamtext_lib.viewing.diagram import diagram

    axis = diagram({"a": (0, 0, "in"), "b": (2, 0, "out", "blue"), "c": (4, -2, "loss")}, [("a", "b", "w"), ("a", "c")])
    texts = [t.get_text() for t in axis.texts]
    assert {"in", "out", "loss", "w"} <= set(texts) and len(axis.patches) == 3
    with pytest.raises(KeyError):
        diagram({"a": (0, 0, "in")}, [("a", "b")])
    plt.close("all")
