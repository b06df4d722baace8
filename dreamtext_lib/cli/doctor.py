"""`dreamtext doctor`: what is installed and whether it works, a line each; 1 if what is needed is missing."""

import os
import platform
import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from .failures import explain

EXTRAS = {  # packages that some commands want, and what for
    "viser": "dreamtext view; pip install 'dreamtext[view]'",
    "pycolmap": "dreamtext reconstruct (COLMAP); pip install 'dreamtext[photos]'",
    "onnxruntime": "the U-Net of dreamtext dream in half of the time; pip install 'dreamtext[fast]'",
    "numba": "the hash grid of colours in less time; pip install 'dreamtext[fast]'",
    "ray": "dreamtext sweep; pip install 'dreamtext[sweep]'",
    "jupyter-book": "building the book; pip install 'dreamtext[book]'",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Finding(NamedTuple):
    """One line of the report."""

    subject: str
    text: str
    state: str = "ok"  # or 'optional', which is missing and may be, or 'MISSING'


def flags(parser: ArgumentParser) -> None:
    """The flags of this command: none."""


def run(a: Namespace) -> int:
    """Print a line for each finding; 1 if something that is needed is missing."""
    worst = 0
    for found in findings():
        print(f"{found.state:<9} {found.subject}: {found.text}", flush=True)
        worst |= found.state == "MISSING"
    return int(worst)


def findings() -> Iterator[Finding]:
    """All that is looked at, the quick things first."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from packages()
    yield from machine()
    yield from tools()
    yield from models()


def packages() -> Iterator[Finding]:
    """The packages that this one needs, by its own list, in one line, and those that it may have."""
    try:
        names = [line for line in requires("dreamtext") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding("packages", "dreamtext itself is not installed; run pip install -e . in its folder", "MISSING")
        return
    found, missing = [f"dreamtext {version('dreamtext')}"], []
    for name in (line.split(";")[0].split("[")[0].rstrip("0123456789.,<>=!~ ") for line in names):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("packages", ", ".join(found))
    if missing:
        yield Finding("packages", f"pip install {' '.join(missing)}", "MISSING")
    for name, use in EXTRAS.items():
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, f"not installed; for {use}", "optional")


def machine() -> Iterator[Finding]:
    """Threads, GPU and the profile that the environment asks for."""
    try:
        import torch

        from ..profile import profile

        yield Finding("threads", f"{torch.get_num_threads()} on {os.cpu_count()} cores")
        if torch.cuda.is_available():
            about = torch.cuda.get_device_properties(0)
            yield Finding("gpu", f"{about.name}, {about.total_memory / 2**30:.0f} GiB")
        else:
            yield Finding("gpu", "none that PyTorch sees; for DREAMTEXT_PROFILE=full", "optional")
        chosen = profile()
        yield Finding("profile", f"{chosen.name}: model {chosen.model} on {chosen.device}")
    except Exception as error:
        yield Finding("machine", explain(error)[1], "MISSING")


def tools() -> Iterator[Finding]:
    """The programs that write films and show pages."""
    try:
        import imageio_ffmpeg

        answer = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, timeout=60)
        words = answer.stdout.decode("utf-8", "replace").split()
        yield Finding("ffmpeg", words[2]) if answer.returncode == 0 else Finding("ffmpeg", "does not run", "MISSING")
    except Exception as error:
        yield Finding("ffmpeg", explain(error)[1], "MISSING")
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser:
        yield Finding("chromium", browser)
    else:
        yield Finding("chromium", "not found; for the tests of pages", "optional")


def models() -> Iterator[Finding]:
    """Whether the models of the package load."""
    try:
        from ..distillation.prior import load_prior
        from ..zoo import PIPELINES, resolve
    except Exception as error:
        yield Finding("models", explain(error)[1], "MISSING")
        return
    for name in PIPELINES:
        try:
            prior = load_prior(resolve(name))
            count = sum(p.numel() for p in prior.unet.parameters())
            yield Finding(f"model {name}", f"loads, {count / 1e6:.1f} million numbers in its U-Net")
        except Exception as error:
            yield Finding(f"model {name}", explain(error)[1], "MISSING")
