"""Fetch the scripts and fonts that the built pages need, at the versions named below, into book/_static/vendor.

The files are committed, so that the book builds and opens where neither node nor a network is. Only who changes a
version runs this: `python book/refresh_vendor.py`. It needs npm, and the installed package onnxruntime.
"""

import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import onnxruntime

VENDOR = Path(__file__).parent / "_static" / "vendor"

# MathJax's main script holds the TeX input and the fonts' metrics; it loads one of these when a page uses its command.
EXTENSIONS = (
    "action amscd bbox boldsymbol braket bussproofs cancel cases centernot color colortbl colorv2 empheq enclose "
    "extpfeil gensymb html mathtools mhchem physics textcomp textmacros unicode upgreek verb"
).split()

# package: (version, {path in the package: path in the vendor folder}); a pattern's target is a folder
PACKAGES = {
    "mathjax": (
        "3.2.2",
        {
            "es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
            "es5/output/chtml/fonts/woff-v2/*.woff": "mathjax/output/chtml/fonts/woff-v2",
            **{f"es5/input/tex/extensions/{name}.js": "mathjax/input/tex/extensions" for name in EXTENSIONS},
            "LICENSE": "mathjax/LICENSE",
        },
    ),
    "onnxruntime-web": (
        "1.30.0",
        {
            "dist/ort.wasm.min.js": "onnxruntime/ort.wasm.min.js",
            "dist/ort-wasm-simd-threaded.mjs": "onnxruntime/ort-wasm-simd-threaded.mjs",
            "dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort-wasm-simd-threaded.wasm.gz",
        },
    ),
}


def put(source: Path, target: Path) -> None:
    """Copy a file to a path, or into a folder when the path has no ending; packed where the path ends in .gz."""
    if source.suffix and not target.suffix:
        target = target / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".gz":
        target.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))
    else:
        shutil.copyfile(source, target)


def main() -> None:
    """Replace the fetched files of the vendor folder; its README and LICENSES.txt are ours."""
    with tempfile.TemporaryDirectory() as scratch:
        for package, (version, files) in PACKAGES.items():
            packed = subprocess.run(
                ["npm", "pack", "--json", f"{package}@{version}"],
                cwd=scratch,
                check=True,
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            archive = Path(scratch) / json.loads(packed.stdout)[0]["filename"].replace("@", "").replace("/", "-")
            shutil.unpack_archive(archive, unpacked := Path(scratch) / archive.stem, filter="data")
            for pattern, target in files.items():
                sources = sorted((unpacked / "package").glob(pattern))
                if not sources:
                    raise FileNotFoundError(f"{package}@{version} has no {pattern}")
                for source in sources:
                    put(source, VENDOR / target)
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        shutil.copyfile(Path(onnxruntime.__file__).parent / name, VENDOR / "onnxruntime" / name)
    total = sum(path.stat().st_size for path in VENDOR.rglob("*") if path.is_file())
    print(f"{VENDOR}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
