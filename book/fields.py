"""Writes the tables and figures of measured radiance fields, and of the full profile on a GPU.

`python -m book.fields` reads benchmarks/results (written by the benchmarks' own `--out`) and writes book/measured: one
Markdown file or PNG for each include of fields.md and run.md. No number there is typed by hand.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

from benchmarks.fit import LOOKED, MARKS, ahead, reached
from dreamtext_lib.profile import PROFILES
from dreamtext_lib.viewing import style

ROOT = Path(__file__).resolve().parent.parent
RESULTS, OUT = ROOT / "benchmarks" / "results", ROOT / "book" / "measured"
NAMES = {
    "hash": "hash field",
    "vanilla": "NeRF, even samples",
    "hierarchical": "NeRF, coarse and fine",
    "kornia": "kornia's NeRF",
}
LINES = dict(zip(NAMES, zip(("blue", "vermilion", "green", "purple"), style.DASHES)))


def read(name: str) -> dict:
    """One file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def fits() -> dict[str, list[dict]]:
    """The fits of each kind, seed by seed."""
    rows = read("fit")["fits"]
    found = {kind: sorted((r for r in rows if r["kind"] == kind), key=lambda r: r["seed"]) for kind in NAMES}
    return {kind: of_kind for kind, of_kind in found.items() if of_kind}


def when(of_kind: list[dict], mark: float) -> str:
    """Seconds after which the seeds of a kind are at a mark; a bound where the first look at one is above it."""
    found = [reached(f["curve"], mark) for f in of_kind]
    if not all(found) or not any(first for _, first in found):
        return spread([at and at[0] for at in found], 1)
    return f"≤ {max(seconds for seconds, _ in found):.1f}"


def spread(values: list[float | None], digits: int) -> str:
    """Least and largest of the seeds, or the one value if they are alike; a dash where one is missing."""
    if not values or any(v is None for v in values):
        return "–"
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}…{high}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are aligned right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def score_tables(kinds: dict[str, list[dict]]) -> str:
    """Two tables, a row a kind: seeds and seconds to the marks; the end and its scores."""
    times, scores = [], []
    for kind, of_kind in kinds.items():
        times.append([NAMES[kind], str(len(of_kind)), *(when(of_kind, mark) for mark in MARKS)])
        seconds = [f["curve"][-1]["seconds"] for f in of_kind]
        steps = [f["curve"][-1]["step"] for f in of_kind]
        final = [f.get("psnr", f["curve"][-1]["psnr"]) for f in of_kind]
        shape = [[f.get(name) for f in of_kind] for name in ("ssim", "chamfer", "iou")]
        cells = [spread(v, d) for v, d in zip((seconds, steps, final, *shape), (0, 0, 1, 3, 3, 2))]
        if "psnr" not in of_kind[0]:
            cells[2] += f" ({LOOKED} pictures)"  # of its last look
        scores.append([NAMES[kind], *cells])
    first = table(
        ["field", "seeds", *(f"{mark} dB after" for mark in MARKS[:-1]), f"{MARKS[-1]} dB after (seconds)"], times
    )
    return first + "\n" + table(["field", "ended at", "steps", "PSNR", "SSIM", "Chamfer", "IoU"], scores)


def fit_tables() -> dict[str, str]:
    """Scores and times of the fields, on the CPU and on a GPU, and the same picture by picture."""
    kinds, gpu = fits(), read("gpu")
    on_gpu = {kind: [row for row in gpu["fits"] if row["kind"] == kind] for kind in ("hash", "vanilla")}
    judged = {kind: of_kind for kind, of_kind in kinds.items() if "views" in of_kind[0]}
    count = len(next(iter(judged.values()))[0]["views"])
    rows = []
    for i in range(count):
        row = [str(i + 1)]
        for of_kind in judged.values():
            row += [f"{np.mean([f['views'][i][k] for f in of_kind]):.{d}f}" for k, d in (("psnr", 1), ("ssim", 3))]
        rows.append(row)
    head = ["view", *(f"{NAMES[k]}: {score}" for k in judged for score in ("PSNR", "SSIM"))]
    gpu_page = f"{score_tables(on_gpu)}\n{gpu['where']}.\n"
    return {"fit": score_tables(kinds), "gpu": gpu_page, "views": table(head, rows)}


def sooner() -> str:
    """How much sooner the hash field is at the first mark, in a sentence."""
    curves = {kind: [f["curve"] for f in of_kind] for kind, of_kind in fits().items()}
    fast = curves.pop("hash")
    parts = ", ".join(f"{ahead(fast, slow, MARKS[0])} than {NAMES[kind]}" for kind, slow in curves.items())
    return f"The hash field was at {MARKS[0]} dB about {parts}: its slowest seed against the other's fastest.\n"


def fit_figure() -> None:
    """PSNR against seconds, every seed a line."""
    figure, axis = plt.subplots(figsize=(7.2, 3.6))
    for kind, of_kind in fits().items():
        colour, dash = LINES[kind]
        for i, f in enumerate(of_kind):
            points = np.array([[p["seconds"], p["psnr"]] for p in f["curve"]])
            label = NAMES[kind] + f" ({LOOKED} pictures)" * (kind != "hash") if i == 0 else None
            axis.semilogx(*points.T, color=style.COLOURS[colour], linestyle=dash, linewidth=1.4, label=label)
    for mark in MARKS:
        axis.axhline(mark, color=style.FAINT, linewidth=1, zorder=0)
    axis.set(xlabel="seconds of fitting", ylabel="PSNR, held out (dB)", title="a castle, 90 pictures of 100 × 100")
    axis.legend(loc="lower right", fontsize=9)
    figure.savefig(OUT / "fit.png")
    plt.close(figure)


def cost_figure() -> None:
    """A step against rays and samples, a picture against its size."""
    fields = read("cost")["fields"]
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.3))
    bases = [found["base"] for found in fields.values()]
    fixed = {kind: " or ".join(str(base[kind]) for base in bases) for kind in ("rays", "samples")}
    panels = (
        ("rays", "rays a step", f"a step, {fixed['samples']} samples a ray"),
        ("samples", "samples a ray", f"a step of {fixed['rays']} rays"),
        ("pictures", "pixels a side", "a picture"),
    )
    for axis, (name, label, title) in zip(axes, panels):
        for kind, found in fields.items():
            colour, dash = LINES[kind]
            x, y = np.array(found[name]).T
            axis.loglog(x, y / 1e3, "o", color=style.COLOURS[colour], linestyle=dash, markersize=4, label=NAMES[kind])
        every = sorted({x for found in fields.values() for x, _ in found[name]})
        axis.set_xticks(every[:: 2 if name == "rays" else 1])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_yticks([0.03, 0.1, 0.3, 1, 3, 10][: 6 if name == "pictures" else 4])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(label)
        axis.set_title(title, fontsize=10)
    axes[0].set(ylabel="seconds")
    axes[2].legend(fontsize=8.5, loc="lower right")
    figure.savefig(OUT / "cost.png")
    plt.close(figure)


def small_tables() -> dict[str, str]:
    """Where the time of a step goes; the hash encoding against its peer; memory."""
    pages, rows = {}, []
    for kind, found in read("cost")["fields"].items():
        share = found["shares"]
        largest = ", ".join(f"`{name}` {value:.0%}" for name, value in share["largest"].items())
        rows.append([NAMES[kind], *(f"{share[k]:.0%}" for k in ("products", "gathers", "else")), largest])
    head = ["field", "matrix products", "gathers, scatters", "all else", "the largest of all else"]
    pages["shares"] = table(head, rows)
    rows = []
    for found in (read("hash_encoding_one"), read("hash_encoding")):
        for name, forms in found["cases"].items():
            peer, *ours = forms.values()
            cells = [", ".join(f"{peer[k] / form[k]:.1f}" for form in ours) for k in ("forward", "backward", "both")]
            rows.append([f"{name}, {found['threads']} thread{'s' * (found['threads'] > 1)}", *cells])
    pages["encoding"] = table(["grid", "forward", "backward", "both"], rows)
    memory = read("memory")
    sizes = sorted({row["size"] for row in memory["rows"]})
    rows = []
    for chunk in (None, *sorted({row["chunk"] for row in memory["rows"] if row["chunk"]})):
        cells = {row["size"]: row["gib"] for row in memory["rows"] if row["chunk"] == chunk}
        name = f"in pieces of {chunk:,} samples" if chunk else "whole"
        text = [
            "–" if s not in cells else f"over {memory['limit']:g}" if cells[s] is None else f"{cells[s]:.2f}"
            for s in sizes
        ]
        rows.append([name, *text])
    pages["memory"] = table(["GiB at the peak", *(f"{s} px" for s in sizes)], rows)
    return pages


def full_table() -> str:
    """The full profile on a GPU: seconds a step, hours a run, memory; and what half precision does."""
    found, rows = read("full"), []
    for name, of_recipe in found["recipes"].items():
        steps = PROFILES["full"].recipes[name].steps
        taken = [of_recipe[shade]["seconds"] for shade in ("albedo", "lambertian", "textureless")]
        peak = max(of_recipe[shade]["gib"] for shade in ("albedo", "lambertian", "textureless"))
        minutes = [steps * seconds / 60 for seconds in (min(taken), max(taken))]
        row = [f"`{name}`", of_recipe["size"], f"{steps:,}", f"{min(taken):.2f} … {max(taken):.2f}"]
        rows.append([*map(str, row), f"{minutes[0]:.0f} … {minutes[1]:.0f}", f"{peak:.1f}"])
    half, gap, optimiser = found["gradients"]["float16"], found["resume"], found.get("optimiser")
    head = ["recipe", "pixels", "steps", "seconds a step", "minutes in all", "GiB at the peak"]
    text = (
        f"{found['device']}, PyTorch {found['torch'].split('+')[0]}, half precision. The gradient at the pixels has "
        f"in it a cosine of {half['cosine']:.3f} with that in single precision and {half['size']:.2f} times its size; "
        f"{half['zeros']:.2%} of it is lost to underflow. Unlike on a CPU, a resumed run is not the same bit for "
        f"bit: after three steps its parameters differ by up to {gap:.2f}. That is as far as "
        f"{(optimiser or 'adam').capitalize()} moves a parameter in three steps; the order of sums, which a GPU "
        "does not fix, is the likely cause."
    )
    if not optimiser:
        text += (
            " These runs had Adam, as the recipes then had, which have Adan now; and small slopes were not yet lifted "
            "on their way through the encoder."
        )
    return f"{table(head, rows)}\n{text}\n"


def pages() -> dict[str, str]:
    """The text of every Markdown file, by its name."""
    return fit_tables() | small_tables() | {"sooner": sooner(), "full": full_table()}


def main() -> None:
    """Write all of book/measured."""
    style.use()
    OUT.mkdir(exist_ok=True)
    for name, text in pages().items():
        (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    fit_figure()
    cost_figure()


if __name__ == "__main__":
    main()
