"""Public functions and constructors: whoever calls one with many parameters must name its numbers and options."""

import inspect
import pkgutil
from importlib import import_module

import dreamtext_lib
from dreamtext_lib.settings import Settings

MANY = 6
EXEMPT = {  # beside recipes, whose fields are set by name
    "sds", "csd", "invert", "VSD.__call__",  # one form for all arrows: `gradients.Arrow`
    "FrameExplorer.__init__", "MeshViewer.__init__", "ViewScores.__init__", "Budget.__init__",
    "dreamtext_lib.zoo.train_clip.stage", "dreamtext_lib.zoo.train_unet.stage", "dreamtext_lib.zoo.train_unet.sample",
}  # fmt: skip


def modules():
    """All modules of the library but the program's door."""
    for found in pkgutil.walk_packages(dreamtext_lib.__path__, "dreamtext_lib."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


def functions(module):
    """Its public functions, and the methods and constructors of its public classes, each with its name."""
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", None) != module.__name__ or name.startswith("_"):
            continue
        if inspect.isclass(thing) and not issubclass(thing, Settings | tuple):
            yield from ((f"{name}.{n}", f) for n, f in vars(thing).items() if inspect.isfunction(f))
        elif inspect.isfunction(thing):
            yield name, thing


def offends(function):
    """Whether it has many parameters, none by name alone, and among them one that a neighbour could be taken for."""
    found = [p for name, p in inspect.signature(function).parameters.items() if name != "self"]
    mixed = any(p.default is not p.empty or p.annotation in (int, float, bool) for p in found)
    return len(found) >= MANY and mixed and not any(p.kind is p.KEYWORD_ONLY for p in found)


def test_numbers_and_options_of_long_signatures_have_names():
    found = {f"{m.__name__}.{name}": (name, f) for m in modules() for name, f in functions(m)}
    assert len(found) > 300
    offenders = {long for long, (name, f) in found.items() if offends(f) and not EXEMPT & {long, name}}
    assert not offenders, "put a * after the tensors"


def test_what_offends_is_found():
    def named(a, b, c, d, e, *, f=1): ...

    def loose(a, b, c, d, e, f=1): ...

    def numbers(a, b, c, d, e, f: float): ...

    def tensors(a, b, c, d, e, f): ...

    assert [offends(f) for f in (named, loose, numbers, tensors)] == [False, True, True, False]
