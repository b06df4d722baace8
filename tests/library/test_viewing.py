"""Files of frames, sheets, widgets: what is written comes back, and what cannot be shown is refused in words."""

import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
import trimesh
from matplotlib import pyplot as plt
from PIL import Image

from dreamtext_lib.viewing import server, style
from dreamtext_lib.viewing.explorer import FrameExplorer, MeshViewer, thin
from dreamtext_lib.viewing.film import Film, write_video, write_webp
from dreamtext_lib.viewing.pictures import contact_sheet, pixels, write_picture
from dreamtext_lib.viewing.server import serve


def test_what_a_record_says_is_shown_in_the_viewer_letter_by_letter(monkeypatch):
    pytest.importorskip("viser")
    server = MagicMock()
    monkeypatch.setattr("viser.ViserServer", lambda **how: server)
    serve(None, "by <img src=x onerror=y>\n\n# [a](b) *c* &lt; http://d", None)
    (shown,) = server.gui.add_markdown.call_args.args
    assert shown.startswith(r"by \<img src\=x onerror\=y\> \# \[a\]\(b\) \*c\* \&lt\; http\:\/\/d")


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


def test_a_video_that_ffmpeg_could_not_end_leaves_what_stood_there(tmp_path, monkeypatch):
    import imageio_ffmpeg

    short = tmp_path / "ffmpeg"  # the true one, on a disk that holds 4 kB
    short.write_text(f'#!/bin/sh\nulimit -f 8\n"{imageio_ffmpeg.get_ffmpeg_exe()}" "$@"\n', encoding="utf-8")
    short.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(short))
    (tmp_path / "t.mp4").write_bytes(b"former")
    noise = torch.rand(20, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(OSError, match=r"could not write '.*t\.mp4'") as error:
        write_video(noise, tmp_path / "t.mp4")
    assert (tmp_path / "t.mp4").read_bytes() == b"former" and "\n" not in str(error.value)


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


class Wire:
    """What viser's cameras, checkboxes and connections have in common: who asked to be told."""

    value, told = True, ()

    def on_update(self, tell):
        self.told = (*self.told, tell)
        return tell

    def happen(self):
        for tell in self.told:
            tell(None)


def test_the_viewer_shows_the_view_where_a_camera_comes_to_rest(monkeypatch):
    """Events that come while a picture is made, also of another window or of the checkbox, are not lost."""
    clients, live, shown, during, connected = {}, Wire(), [], [], []

    def client(i):
        show = SimpleNamespace(set_background_image=lambda picture, format: shown.append((i, picture)))
        clients[i] = SimpleNamespace(client_id=i, camera=Wire(), scene=show)
        connected[0](clients[i])
        return clients[i].camera

    def slow(_, camera):
        seen = camera.place
        if during:
            during.pop()()
        return seen

    gui = SimpleNamespace(
        set_panel_label=lambda _: None, add_markdown=lambda _: None, add_checkbox=lambda *_, **__: live
    )
    made = SimpleNamespace(
        gui=gui,
        scene=SimpleNamespace(set_up_direction=lambda _: None),
        on_client_connect=connected.append,
        get_clients=lambda: clients,
    )
    monkeypatch.setitem(sys.modules, "viser", SimpleNamespace(ViserServer=lambda **_: made))
    monkeypatch.setattr("dreamtext_lib.viewing.server.frame", slow)
    server.serve(None, "", None)
    one, two = client(1), client(2)

    def move(camera, place):
        camera.place = place
        camera.happen()

    during.append(lambda: [move(one, "end"), move(two, "other")])
    move(one, "start")
    assert shown[0] == (1, "start") and set(shown[1:]) == {(1, "end"), (2, "other")}

    def leave():
        live.value = False
        live.happen()

    during.append(leave)
    shown.clear()
    move(one, "late")
    assert dict(shown) == {1: None, 2: None}  # the last word of each
    shown.clear()
    move(one, "unseen")
    assert not shown
