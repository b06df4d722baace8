"""`dreamtext describe`: a sentence for an image, and words that learn to mean what the sentence cannot say."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..slugs import slug
from .flags import add_fields, given
from .learned import WORDS
from .models import add_model, add_threads, note_strange_words, on_threads, prior_of
from .names import RUNS, new_folder, recorded, seed

if TYPE_CHECKING:
    from ..distillation.prior import LatentPrior
    from ..words.clip import Clip
    from ..words.recipe import WordsRecipe
    from ..words.sentence import Found
    from ..words.training import Record, Words

USUAL = {"toy": ("clip", "toy"), "full": ("openai/clip-vit-base-patch32", "full")}  # CLIP and vocabulary by profile
VIEWS = ("front", "side", "back", "overhead")
ROUGH, FINE = 12, 25  # DDIM steps of samples on the way, and at the end
INVERSION = "textual_inversion.safetensors"
CHANGES = "pytorch_lora_weights.safetensors"  # by which diffusers finds them in a folder


def recipes() -> "Mapping[str, WordsRecipe]":
    """The named recipes of the profile that the environment asks for, the usual one first."""
    from ..words.recipe import RECIPES

    return RECIPES.get(os.environ.get("DREAMTEXT_PROFILE", "toy"), RECIPES["toy"])


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.usage = "%(prog)s IMAGE [flags]"
    named = recipes()
    clip, words = USUAL.get(os.environ.get("DREAMTEXT_PROFILE", "toy"), USUAL["toy"])
    parser.add_argument("image", nargs="?", type=Path, help="a picture of one thing, best before a plain wall")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="a picture of that size, light where the thing is")
    parser.add_argument("--noun", metavar="WORD", help="what the thing is, instead of a search")
    parser.add_argument("--words", metavar="WORDS", help="descriptors with commas between them, instead of a search")
    parser.add_argument("--vocabulary", metavar="NAME", help=f"toy, full, or a file of words (default {words})")
    parser.add_argument("--clip", metavar="NAME", help=f"the CLIP that compares: a folder, or a name (default {clip})")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="file that keeps CLIP's vectors of sentences")
    parser.add_argument("--recipe", choices=tuple(named), help=f"settings to begin with (default {next(iter(named))})")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    parser.add_argument("--out", type=Path, help="run folder to write (default: runs/IMAGE-SEED)")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of all randomness (default 0)")
    add_model(parser)
    add_threads(parser)
    add_fields(parser, named, {})


def run(a: Namespace) -> int:
    """A sentence for an image, then the training of its words, with a bar, a preview and checkpoints."""
    with on_threads(a):
        return describe(a)


def describe(a: Namespace) -> int:
    """The description itself; its status."""
    run, folder, path = resumed(a) if a.resume else begun(a)

    from ..drive import drive, stopped
    from ..viewing.pictures import contact_sheet, write_picture
    from ..words.training import samples

    run.prior.pipeline.set_progress_bar_config(disable=True)
    print(f"training {run.rows.what}, of '{run.sentence.text}'; preview: {folder / 'preview.png'}")

    def preview() -> None:
        ended = run.over or run.step == run.recipe.steps
        texts = [f"{run.sentence.text}, {view} view" for view in VIEWS]
        drawn = samples(run.prior, run.rows, texts, steps=FINE if ended else ROUGH, seed=run.seed)
        pictures, scale = [run.picture.permute(1, 2, 0).cpu(), *drawn], max(128 // run.prior.pixels, 1)
        sheet = contact_sheet(pictures, columns=5, labels=["the image", *VIEWS], scale=scale)
        write_picture(sheet, folder / "preview.png")
        if path and not (folder / "search.md").exists():
            write_search(path, folder)

    def bar(record: "Record") -> dict:
        return {"fit": f"{record.fit:.4f}", "stay": f"{record.stay:.4f}"}

    if not drive(run, folder, every=run.recipe.look_every, line=summary, bar=bar, preview=preview):
        return stopped(run, "describe", folder)
    finish(run, folder)
    if getattr(a, "last", True):  # not where a dream follows
        print(f"go on with: dreamtext dream --words '{folder}'")
    return 0


def resumed(a: Namespace) -> "tuple[Words, Path, list]":
    """The run in a folder, at its last checkpoint."""
    from ..capture.single import of_png
    from ..words.training import IMAGE, Words, read_words

    of_search = ("image", "mask", "noun", "words", "vocabulary", "clip", "cache")
    names = (*of_search, "recipe", "out", "seed", "model", "threads")
    others = [name for name in names if getattr(a, name) is not None] + list(given(a, next(iter(recipes().values()))))
    if others:
        flag = "the image" if others[0] == "image" else f"--{others[0].replace('_', '-')}"
        raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
    about, sentence, recipe = read_words(a.resume)
    prior, name = prior_of(about["model"])
    picture, source = of_png(a.resume / IMAGE), about["source"]
    run = Words(picture, sentence, prior, recipe, about["seed"], model=name, source=source)
    run.load(a.resume)
    return run, a.resume, []


def begun(a: Namespace) -> "tuple[Words, Path, list[Found]]":
    """A new run, once the image is read and a sentence is found."""
    from ..capture.single import framed, read_single
    from ..profile import profile
    from ..words.vocabulary import vocabulary

    if a.image is None:
        raise ValueError("name an image: a picture of one thing, best before a plain wall")
    told, named, number = said(a), recipes(), a.seed or 0
    recipe = named[a.recipe or next(iter(named))].with_fields(**given(a, next(iter(named.values()))))
    source, folder = recorded(a.image), new_folder(a.out or RUNS / f"{slug(a.image.stem)}-{number}")
    single = read_single(a.image, a.mask)
    usual_clip, usual_words = USUAL[profile().name]
    words = vocabulary(a.vocabulary or usual_words)
    from ..words.clip import Clip  # after what may be wrong with the image: this takes seconds
    from ..words.training import Words

    prior, name = prior_of(a.model)
    picture = framed(single.rgba, prior.pixels, recipe.wall)
    clip = Clip.load(a.clip or usual_clip, profile().device)
    for note in single.notes:
        print(f"note: {note}", file=sys.stderr)
    if a.cache:
        clip.recall(a.cache)
    path = found(told, clip, clip.image(picture), words, recipe=recipe, number=number)
    if a.cache:
        clip.keep(a.cache)
    tell(path, clip, prior, picture, name, searched=told[0] is None)
    run = Words(picture, path[-1].sentence, prior, recipe, number, model=name, source=source)
    return run, folder, path


def said(a: Namespace) -> tuple[str | None, tuple[str, ...]]:
    """The noun and the descriptors that the flags give. Raises ValueError for one that is empty or no plain text."""
    from ..distillation.prompts import check_prompt

    told = tuple(w.strip() for w in (a.words or "").split(",") if w.strip())
    if a.words is not None and not told:
        raise ValueError("--words is empty; give descriptors with commas between them, such as 'tall, red'")
    if a.noun is not None and not a.noun.strip():
        raise ValueError("--noun is empty; say what the thing is, such as 'mug', or leave it to the search")
    for flag, text in (("--noun", a.noun), ("--words", a.words)):
        try:
            check_prompt(text or "none")
        except ValueError as error:
            raise ValueError(f"{flag} is {text!r}: {error}") from error
    return a.noun and a.noun.strip(), told


def found(told: tuple, clip: "Clip", picture, words, *, recipe: "WordsRecipe", number: int) -> "list[Found]":
    """The path of the search, with a bar for each of its comparisons; of what the flags told, where they told it."""
    from tqdm import tqdm

    from ..words.sentence import Found, Sentence, search

    noun, told = told
    with tqdm(unit="sentence", dynamic_ncols=True, leave=False) as bar:

        def begin(what: str, count: int) -> None:
            bar.reset(count)
            bar.set_description(what)

        settings = recipe.search.with_fields(longest=1) if told else recipe.search
        how = {"noun": noun, "seed": number, "begin": begin, "done": bar.update}
        path = list(search(clip, picture, words, settings, **how))
    if told:
        sentence = Sentence(path[0].sentence.noun, told, path[0].sentence.article, recipe.search.commas)
        path.append(Found("add", ", ".join(told), sentence, float(clip.texts([sentence.text])[0] @ picture), 1))
    return path


def tell(path: "list[Found]", clip: "Clip", prior: "LatentPrior", picture, name: str, *, searched: bool) -> None:
    """Say what was found, and warn where the image lies outside of what a tiny model knows."""
    from ..words.known import Known, rebuilt_error, usual, warnings
    from ..zoo import PIPELINES

    for step in path:
        print(f"{step.similarity:.4f}  {step.sentence.text}")
    image = Known(rebuilt_error(prior, picture), path[0].similarity)
    print(f"the autoencoder gives the image back with an error of {image.error:.3f} (root mean square, of 0..1)")
    if name in PIPELINES:
        for warning in warnings(image, usual(prior, clip), path[0].sentence.noun, searched=searched):
            print(f"warning: {warning}", file=sys.stderr)
        note_strange_words(", ".join((*path[-1].sentence.words, path[-1].sentence.noun)), name)


def write_search(path: "Sequence[Found]", folder: Path) -> None:
    """The path of the search as a table (search.md) and a plot (search.png)."""
    import io

    from ..files import write_bytes
    from ..viewing import style
    from ..viewing.search import plot_search
    from ..words.sentence import table

    style.use()
    data = io.BytesIO()
    plot_search([f.act for f in path], [f.word for f in path], [f.similarity for f in path]).savefig(data, format="png")
    write_bytes(folder / "search.png", data.getvalue())
    write_bytes(folder / "search.md", table(path).encode())


def summary(records: "Sequence[Record]") -> dict:
    """One line of the log: means since the last one, and the loss on the draws that are held fixed."""
    count = len(records)
    means = {name: round(sum(getattr(r, name) for r in records) / count, 6) for name in ("fit", "stay")}
    held = round(records[-1].held, 6) if records[-1].held == records[-1].held else None  # nan before the first look
    rest = {"held": held, "nonfinite": sum(r.nonfinite for r in records)}
    return {"step": records[-1].step, **means, **rest, "seconds": round(sum(r.seconds for r in records), 2)}


def finish(run: "Words", folder: Path) -> None:
    """The learned words as two files."""
    from ..words.files import new_prompt, save_inversion, save_rows

    learns = run.recipe.learns
    save_rows(folder / WORDS, run.sentence, run.rows)
    if run.step < run.recipe.steps:
        print(f"stopped to learn at step {run.step} of {run.recipe.steps}")
    print(f"{folder / WORDS}: {run.rows.what}")
    if learns == "low-rank":
        save_rows(folder / CHANGES, run.sentence, run.rows)
        print(f"{folder / CHANGES}: for diffusers; the prompt is '{run.sentence.text}'")
    elif learns != "embedding":  # which is no word
        save_inversion(folder / INVERSION, run.sentence, run.rows, run.prior, learns)
        print(f"{folder / INVERSION}: for diffusers; the prompt is '{new_prompt(run.sentence, learns)}'")
        print("(where its word is taken: load_textual_inversion(file, token='<mine>'), and <mine> in the prompt)")
