"""The commands for captures and finished runs: what they leave, what they refuse, and who can reach the viewer."""

import http.client
import json
import re
import signal
import socket

import pytest
import torch
import trimesh
from commands import run

from dreamtext_lib import cli
from dreamtext_lib.capture.transforms import read_capture
from dreamtext_lib.cli.finished import finished as read_finished
from dreamtext_lib.fitting.fit import Fit, read_fit
from dreamtext_lib.radiance.cameras import orbit
from dreamtext_lib.radiance.mesh import extract
from dreamtext_lib.runs import read_checkpoint
from dreamtext_lib.toybox.capture import write_capture
from dreamtext_lib.toybox.objects import ToyObject

SHORT = [
    "--steps", "120", "--batch", "512", "--samples", "48", "--samples-early", "24", "--levels", "4",
    "--finest", "48", "--voxels", "24",
]  # fmt: skip


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("captures") / "bottle"
    write_capture(path, ToyObject("castle", "red"), views=20, held_out=3, size=32)
    return path


@pytest.fixture(scope="module")
def finished(capture, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits") / "bottle"
    torch.set_num_threads(1)
    assert cli.main(["fit", str(capture), "--out", str(folder), *SHORT]) == 0
    return folder


def test_a_fit_leaves_all_that_it_promises(finished, capture):
    names = {p.name for p in finished.iterdir()}
    assert names == {
        "recipe.json", "checkpoint.safetensors", "log.jsonl", "preview.png", "metrics.json",
        "turntable.mp4", "turntable.webp", "contact_sheet.png", "mesh.glb",
    }  # fmt: skip
    metrics = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert len(metrics["views"]) == 3 and metrics["psnr"] > 15 and 0.3 < metrics["ssim"] <= 1
    assert json.loads((finished / "recipe.json").read_text(encoding="utf-8"))["capture"] == str(capture)


def test_the_last_line_is_the_score_and_a_stopped_fit_goes_on_to_the_same(
    finished, capture, tmp_path, capsys, monkeypatch
):
    folder, walk = tmp_path / "run", Fit.run
    monkeypatch.setattr("dreamtext_lib.cli.fit.PREVIEW_EVERY", 40)

    def stops(self):
        for record in walk(self):
            if record.step == 70:
                signal.raise_signal(signal.SIGINT)
            yield record

    monkeypatch.setattr(Fit, "run", stops)
    status, _, err = run(capsys, "fit", capture, "--out", folder, *SHORT)
    assert status == 130 and f"dreamtext fit --resume '{folder}'" in err
    assert "stopped at step 70" in err
    monkeypatch.setattr(Fit, "run", walk)
    status, out, _ = run(capsys, "fit", "--resume", folder)
    assert status == 0
    assert re.fullmatch(r"held out: PSNR \d+\.\d\d dB, SSIM 0\.\d{4} \(mean of 3 views\)", out.splitlines()[-1])
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == json.loads(
        (finished / "metrics.json").read_text(encoding="utf-8")
    )


def test_a_fit_that_ends_before_its_first_checkpoint_leaves_nothing_and_a_stopped_one_goes_on(
    capture, tmp_path, capsys, monkeypatch
):
    folder, walk, presses = tmp_path / "runs" / "run", Fit.run, []

    def pressed(self):
        for record in walk(self):
            for _ in range(presses.pop() if presses else 0):
                signal.raise_signal(signal.SIGINT)
            yield record

    def spoilt(self):
        self.volume.field.grid.table.data.fill_(torch.nan)
        return walk(self)

    monkeypatch.setattr(Fit, "run", spoilt)
    status, _, err = run(capsys, "fit", capture, "--out", folder, *SHORT)
    assert status == 1 and "stopped at step 5: the loss was not finite" in err and not list(tmp_path.iterdir())
    monkeypatch.setattr(Fit, "run", pressed)
    presses.append(2)
    status, _, err = run(capsys, "fit", capture, "--out", folder, *SHORT)
    assert status == 130 and err.splitlines()[-1] == "dreamtext: stopped" and not list(tmp_path.iterdir())
    presses.append(1)
    status, _, err = run(capsys, "fit", capture, "--out", folder, *SHORT)
    assert status == 130 and "stopped at step 1; go on with" in err
    assert read_fit(folder)[0]["capture"] == str(capture) and read_checkpoint(folder)[1]["step"] == 1


def test_a_mesh_is_exported_in_the_units_of_the_world(finished, capture, tmp_path, capsys):
    for ending in ("glb", "obj", "ply"):
        status, _, _ = run(capsys, "export", finished, "--out", tmp_path / f"m.{ending}", "--resolution", 40)
        mesh = trimesh.load(tmp_path / f"m.{ending}", force="mesh")
        assert status == 0 and len(mesh.faces) > 100
    train, volume = read_capture(capture)[0], read_finished(finished).volume
    assert train.radius > 1.05, "the ball's units are not the world's"
    in_ball = extract(volume.solid, 40, sight=True).bounds
    assert abs(mesh.bounds - (in_ball * train.radius + train.centre.numpy())).max() < 1e-4


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["fit"], "name a capture"),
        (["fit", "nowhere"], "there is no capture"),
        (["fit", "x", "--resume", "y"], "drop the capture"),
        (["fit", "--resume", "nowhere"], "there is no folder 'nowhere'"),
        (["view", "nowhere"], "there is no folder 'nowhere'"),
        (["export", "nowhere", "--out", "m.glb"], "there is no folder 'nowhere'"),
        (["export", "nowhere", "--out", "m.stl"], ".ply"),
        (["reconstruct", "nowhere", "--out", "here"], "there is no video or folder"),
    ],
)
def test_mistakes_end_in_one_sentence_and_leave_nothing(arguments, word, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *arguments)
    assert status == 1 and out == "" and err.count("\n") == 1 and word in err
    assert not list(tmp_path.iterdir())


def test_a_bad_field_of_the_recipe_and_a_full_folder_are_refused(capture, finished, capsys):
    status, _, err = run(capsys, "fit", capture, "--kind", "splat")
    assert status == 2 and "splat" in err and err.count("\n") == 1
    status, _, err = run(capsys, "fit", capture, "--out", finished)
    assert status == 1 and "is not empty" in err


def test_a_run_is_seen_when_its_capture_is_gone_but_goes_on_with_it_alone(finished, tmp_path, capsys):
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in finished.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    values = json.loads((moved / "recipe.json").read_text(encoding="utf-8"))
    (moved / "recipe.json").write_text(json.dumps(values | {"capture": "/nowhere/else"}), encoding="utf-8")
    for name, folder in (("here", finished), ("gone", moved)):
        assert run(capsys, "export", folder, "--out", tmp_path / f"{name}.ply", "--resolution", 40)[0] == 0
    assert (tmp_path / "gone.ply").read_bytes() == (tmp_path / "here.ply").read_bytes()
    assert run(capsys, "view", moved, "--page", tmp_path / "page.html")[0] == 0
    status, _, err = run(capsys, "fit", "--resume", moved)
    assert status == 1 and "/nowhere/else" in err


def test_the_page_holds_what_it_shows_and_escapes_text(finished, tmp_path, capsys):
    from dreamtext_lib.viewing.page import write_page

    status, out, err = run(capsys, "view", finished, "--page", tmp_path / "page.html")
    assert "96/96" in err  # a bar, view by view
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert status == 0 and "page.html" in out
    assert "http" not in page and page.count("UklGR") == 96  # WebP in base64
    write_page(torch.rand(1, 2, 8, 8, 3), [0], tmp_path / "other.html", "<script>alert(1)</script>", "a & b")
    other = (tmp_path / "other.html").read_text(encoding="utf-8")
    assert "<script>alert" not in other and "a &amp; b" in other


def test_the_viewer_answers_on_this_machine_alone(finished):
    from dreamtext_lib.viewing.server import frame, serve

    volume, _, text = read_finished(finished)
    server = serve(volume, text, volume.mesh(32), port=18_080)
    try:
        port = server.get_port()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        mine = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {
            "127.0.0.1",
            "127.0.1.1",
        }
        for address in mine:
            with pytest.raises(OSError):
                socket.create_connection((address, port), timeout=2).close()

        class Camera:  # at the front, as viser describes it: OpenCV's axes, z forward
            position, fov, aspect = (2.85, 0.0, 0.0), 0.7156, 1.5
            wxyz = (0.5, -0.5, -0.5, 0.5)

        seen = frame(volume, Camera())
        assert seen.shape == (128, 192, 3)
        straight = volume.pictures(orbit(0.0, 0.0).around(*volume.world), 128)[0]
        assert abs(seen[:, 32:160] / 255.0 - straight.numpy()).mean() < 0.01
        assert straight.std() > 0.05
    finally:
        server.stop()


def test_a_dream_is_seen_without_its_model(tmp_path, capsys, monkeypatch):
    short = ["--steps", "2", "--size", "16", "--samples", "12", "--voxels", "16"]
    assert run(capsys, "dream", "a red mug", "--out", tmp_path / "dream", *short)[0] == 0
    record = tmp_path / "dream" / "recipe.json"
    values = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(values | {"model": "nobody/nothing"}), encoding="utf-8")
    monkeypatch.setattr("dreamtext_lib.distillation.prior.load_prior", None)  # whoever calls it fails
    volume, title, text = read_finished(tmp_path / "dream")
    assert title == "a red mug" and "nobody/nothing" in text and "2 steps" in text
    assert volume.pictures(orbit([0.0, 90.0], 15.0), 16).shape == (2, 16, 16, 3)
    assert run(capsys, "export", tmp_path / "dream", "--out", tmp_path / "m.ply", "--resolution", 24)[0] == 0


def test_a_run_of_the_other_kind_is_not_gone_on_with(finished, tmp_path, capsys):
    status, _, err = run(capsys, "dream", "--resume", finished)
    assert status == 1 and err.count("\n") == 1 and "holds a fit, not a dream" in err
