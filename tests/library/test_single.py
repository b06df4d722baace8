"""One picture of one thing: every kind of file is read or refused in a sentence, and the thing is put in the middle."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from dreamtext_lib.capture.single import SHARE, framed, read_single
from dreamtext_lib.toybox.inputs import inputs


def thing(size=(60, 40), box=(30, 5, 50, 25), wall=(250, 250, 250), colour=(200, 30, 20)):
    """A coloured box before a plain wall."""
    image = Image.new("RGB", size, wall)
    image.paste(colour, box)
    return image


def saved(tmp_path, image, name="thing.png", **how):
    image.save(tmp_path / name, **how)
    return tmp_path / name


def test_a_plain_wall_is_cut_out_and_the_thing_is_put_in_the_middle(tmp_path):
    rgba, notes = read_single(saved(tmp_path, thing()))
    assert notes == [] and (rgba[..., 3] > 0).sum() == 400 and rgba[10, 40].tolist() == [200, 30, 20, 255]
    picture = framed(rgba, 64)
    assert picture.shape == (3, 64, 64) and picture.dtype == torch.float32
    torch.testing.assert_close(picture[:, 0, 0], torch.full((3,), 0.9), rtol=0, atol=2e-3)
    red = picture[1] < 0.5
    ys, xs = red.nonzero().T
    for axis in (ys, xs):
        assert abs((axis.min() + axis.max() + 1) / 2 - 32) <= 1
        assert abs((axis.max() - axis.min() + 1) - SHARE * 64) <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "L", "1", "P", "RGB"])
def test_any_usual_mode_is_read(tmp_path, mode):
    image = thing().convert("RGB" if mode in ("RGB", "P", "RGBA") else "L")
    if mode in ("RGBA", "LA", "PA"):
        mask = Image.new("L", image.size, 0)
        mask.paste(255, (30, 5, 50, 25))
        image = image.convert("LA" if mode != "RGBA" else "RGBA")
        image.putalpha(mask)
        name = "x.png"
    else:
        image, name = image.convert(mode, dither=Image.Dither.NONE, palette=Image.Palette.ADAPTIVE), "x.png"
    rgba, _ = read_single(saved(tmp_path, image, name))
    assert (rgba[..., 3] >= 128).sum() == 400


def test_a_mask_cuts_out_and_must_fit(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    file = saved(tmp_path, noise)
    mask = Image.new("1", (60, 40), 0)
    mask.paste(1, (30, 5, 50, 25))
    rgba, notes = read_single(file, saved(tmp_path, mask, "mask.png"))
    assert (rgba[..., 3] >= 128).sum() == 400 and notes == []
    rgba, (note,) = read_single(file)
    assert (rgba[..., 3] == 255).all() and "is not plain, so all of the picture is taken" in note
    with pytest.raises(ValueError, match=r"the mask '.*black.png' leaves nothing of '.*': it is nowhere light"):
        read_single(file, saved(tmp_path, Image.new("L", (60, 40), 0), "black.png"))
    with pytest.raises(ValueError, match=r"the mask '.*' is 30 x 20 pixels, its picture '.*' 60 x 40"):
        read_single(file, saved(tmp_path, mask.resize((30, 20)), "small.png"))


def test_a_picture_taken_on_its_side_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # held a quarter turn to the right
    rgba, _ = read_single(saved(tmp_path, thing(), "turned.png", exif=exif))
    assert rgba.shape[:2] == (60, 40)
    assert (rgba[30:50, 15:35, 3] == 255).all()


def test_a_picture_of_the_toybox_stays_as_it_is(tmp_path):
    true = inputs()[5].picture()
    array = np.rint(true.numpy() * 255).astype(np.uint8)
    rgba, notes = read_single(saved(tmp_path, Image.fromarray(array)))
    assert notes == [] and (framed(rgba, 64) - true.permute(2, 0, 1)).abs().max() < 0.05
    dark = np.where((np.abs(array.astype(int) - 230) <= 1).all(-1, keepdims=True), 20, array).astype(np.uint8)
    rgba, _ = read_single(saved(tmp_path, Image.fromarray(dark)))
    assert (framed(rgba, 64) - true.permute(2, 0, 1)).abs().mean() < 0.02  # before another wall it is the same thing


def test_a_large_picture_is_made_smaller(tmp_path):
    file = saved(tmp_path, thing((8000, 5000), (3000, 1000, 5000, 4000)), "large.jpg")  # 40 megapixels
    rgba, _ = read_single(file)
    assert max(rgba.shape) == 1024 and framed(rgba, 64).shape == (3, 64, 64)


def folder(path):
    path.mkdir()


def film(path):
    frames = [Image.new("RGB", (32, 32), (i, 0, 0)) for i in (0, 90, 200)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


BAD = {
    "missing": (lambda p: None, "there is no picture '"),
    "a folder": (folder, "' is a folder; name a picture"),
    "cut short": (
        lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"),
        "cannot be read: it is trun",
    ),
    "empty": (lambda p: p.write_bytes(b""), "is empty: it has 0 bytes"),
    "one pixel": (
        lambda p: Image.new("RGB", (1, 1)).save(p, "PNG"),
        "is 1 x 1 pixels; it must be 16 at least each way",
    ),
    "CMYK": (lambda p: Image.new("CMYK", (32, 32)).save(p, "JPEG"), "is in CMYK colours; save it as 8-bit RGB"),
    "16 bits": (
        lambda p: Image.fromarray(np.zeros((32, 32), np.uint16)).save(p, "PNG"),
        "is of 16 bits a channel; sav",
    ),
    "a film": (film, "is a film of 3 frames; save the one that you mean"),
    "unseen": (lambda p: Image.new("RGBA", (32, 32)).save(p, "PNG"), "shows no pixel to be seen; give one of a thing"),
    "a wall": (
        lambda p: Image.new("RGB", (32, 32)).save(p, "PNG"),
        "shows nothing but a plain wall; give one of a thin",
    ),
    "text": (lambda p: p.write_text("hello\n", encoding="utf-8"), "cannot be read: it is truncated or not a picture"),
    "SVG": (
        lambda p: p.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8"),
        "truncated or not a picture",
    ),
    "a link to itself": (lambda p: os.symlink(p.name, p), "cannot be read: "),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_one_sentence(tmp_path, kind):
    make, sentence = BAD[kind]
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(ValueError) as refused:
        read_single(path)
    text = str(refused.value)
    assert sentence in text and "picture.png" in text and "\n" not in text and len(text) < 300
