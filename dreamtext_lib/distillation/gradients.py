"""Arrows: where a prior would have a latent go (thesis 3.3). The loop weighs them by w(t) and sends them on.

All have one type, `arrow(prior, z, t, words, s, generator)`: z (B, c, h, w) scaled latents, t (B,) time steps, s the
guidance of (3.8) -> (B, c, h, w), 0 where nothing is to change; a step goes against it. Each lays on its own noise,
since one of them looks for the noise and another draws twice. No gradient is kept: all leave out the derivative of the
network. Differences of predictions are taken in single precision at least.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..descent import mend
from ..diffusion.forward import add_noise, rows, uniform_steps
from ..diffusion.guidance import guide
from ..radiance.cameras import Cameras
from .prior import Prior
from .recipe import Score


class Words(NamedTuple):
    """What the views of a batch are asked about."""

    text: Tensor  # (B, L, C) states of the prompt with each view's word
    none: Tensor  # (B, L, C) states of the empty text
    cameras: Cameras | None = None  # B of them, for an arrow that looks at where a view was taken from
    states: Mapping[str, Tensor] | None = None  # (1, L, C) by view word, for one that looks at the other views' words


Arrow = Callable[[Prior, Tensor, Tensor, Words, float, torch.Generator], Tensor]


def draw(z: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of the shape, precision and device of z, drawn where the generator is."""
    return torch.randn(z.shape, generator=generator, device=generator.device).to(z)


def both(prior: Prior, z_t: Tensor, t: Tensor, words: Words) -> tuple[Tensor, Tensor]:
    """The noise that the prior predicts with the text and without, (B, c, h, w) each, in one call."""
    predicted = prior.eps(torch.cat([z_t, z_t]), torch.cat([t, t]), torch.cat([words.text, words.none]))
    return predicted.to(torch.promote_types(z_t.dtype, torch.float32)).chunk(2)


@torch.no_grad()
def sds(prior: Prior, z: Tensor, t: Tensor, words: Words, s: float, generator: torch.Generator) -> Tensor:
    """Score distillation, (3.21): eps_hat(z_t; t, y) - eps, with eps_hat of (3.8). Source: Poole et al. 2022, eq. 3."""
    eps = draw(z, generator)
    z_t = add_noise(z, eps, prior.alpha_bar[t])
    return guide(*both(prior, z_t, t, words), s) - eps


@torch.no_grad()
def csd(prior: Prior, z: Tensor, t: Tensor, words: Words, s: float, generator: torch.Generator) -> Tensor:
    """Classifier score distillation, what s multiplies in (3.8): eps(z_t; t, y) - eps(z_t; t, none).

    -sqrt(1 - alpha_bar_t) grad log p(y | z_t) for a perfect prior; `s` is not used. Source: Yu et al. 2023, eq. 7.
    """
    z_t = add_noise(z, draw(z, generator), prior.alpha_bar[t])
    eps_text, eps_none = both(prior, z_t, t, words)
    return eps_text - eps_none


def invert(prior: Prior, z: Tensor, t: Tensor, words: Words, s: float, steps: int) -> Tensor:
    """The z_t from which DDIM comes back to z: its steps from time 0 to t (B,), backwards, in `steps` equal parts.

    x' = sqrt(alpha_bar' / alpha_bar) (x - sqrt(1 - alpha_bar) eps_hat) + sqrt(1 - alpha_bar') eps_hat, asked at the
    start of each part. The first starts at z itself, alpha_bar = 1. Source: Song et al. 2020, eq. 13.
    """
    x, time, a = z, torch.zeros_like(t), torch.ones_like(prior.alpha_bar[t])
    for i in range(1, steps + 1):
        eps_hat = guide(*both(prior, x, time, words), s)
        time = t * i // steps
        now, then = rows(a, z), rows(a := prior.alpha_bar[time], z)
        x = ((then / now).sqrt() * (x - (1 - now).sqrt() * eps_hat) + (1 - then).sqrt() * eps_hat).to(z)
    return x


@torch.no_grad()
def sdi(
    prior: Prior,
    z: Tensor,
    t: Tensor,
    words: Words,
    s: float,
    generator: torch.Generator,
    *,
    steps: int = 10,
    invert_s: float = -8.5,
) -> Tensor:
    """Score distillation by inversion: eps_hat - kappa, with the noise that is in z instead of one that is drawn.

    kappa = (z_t - sqrt(alpha_bar_t) z) / sqrt(1 - alpha_bar_t) for the z_t of `invert`, whose guidance `invert_s` is
    -8.5 in the source's code (there written g = -7.5) and whose steps are 10. `generator` is not used: the small fresh
    noise of that code is left out. Source: Lukoianov et al. 2024, section 4.
    """
    z_t, a = invert(prior, z, t, words, invert_s, steps), rows(prior.alpha_bar[t], z)
    kappa = (z_t - a.sqrt() * z) / (1 - a).sqrt()
    return guide(*both(prior, z_t, t, words), s) - kappa


@torch.no_grad()
def perp_neg(
    prior: Prior, z: Tensor, t: Tensor, words: Words, s: float, generator: torch.Generator, *, weight: float = 1.0
) -> Tensor:
    """Score distillation away from the words of the other views (Perp-Neg): e_y + s d - (s + 1) w sum_i p_i - eps.

    With d = e_y - e_none and d_i = e_i - e_none for the words of each other view, p_i = d_i - (d_i . d / d . d) d is
    what they say alone: d_i less its part along d, so that nothing is taken from the object itself. `weight` 0 is SDS.
    A step costs five predictions instead of two. Source: Armandpour et al. 2023, eq. 8 and 9.
    """
    eps = draw(z, generator)
    z_t = add_noise(z, eps, prior.alpha_bar[t])
    others = [[state for word, state in words.states.items() if word not in ("", own)] for own in words.cameras.words]
    against = [torch.cat(some) for some in zip(*others)]  # each (B, L, C)
    asked = torch.cat([words.text, words.none, *against])
    answers = prior.eps(z_t.repeat(len(asked) // len(z), 1, 1, 1), t.repeat(len(asked) // len(z)), asked)
    e_y, e_none, *e_others = answers.to(torch.promote_types(z_t.dtype, torch.float32)).chunk(len(asked) // len(z))
    d = e_y - e_none
    alone = sum(away - along(away, d) for away in (e - e_none for e in e_others))
    return guide(e_y, e_none, s) - (s + 1) * weight * alone - eps


def along(a: Tensor, d: Tensor) -> Tensor:
    """The part of each of a (B, ...) along d (B, ...); 0 where d is 0."""
    a_, d_ = a.flatten(1), d.flatten(1)
    share = (a_ * d_).sum(1) / (d_ * d_).sum(1).clamp(min=torch.finfo(d.dtype).tiny)  # (B,)
    return rows(share, d) * d


class VSD:
    """Variational score distillation: eps_hat - eps_student, whose student learns the views as they are.

    An SDS that subtracts what a second network predicts, not the noise that was drawn. After each arrow the student
    takes one step on its own loss, E (eps_student(z_t; t, y) - eps)^2, at a fresh time and noise. It is called as
    student(x_t, t, states); the source's is a low-rank adapter of the prior's network, and takes the camera too. A
    student that knew z alone would name the drawn noise: then this is SDS.
    Source: Wang et al. 2023, eq. 9 and algorithm 1, with one particle.
    """

    def __init__(self, student: nn.Module, rate: float = 1e-4, t_min: int = 20, t_max: int = 980):
        self.student, self.t_min, self.t_max = student, t_min, t_max
        self.optimiser = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=rate)

    def __call__(
        self, prior: Prior, z: Tensor, t: Tensor, words: Words, s: float, generator: torch.Generator
    ) -> Tensor:
        with torch.no_grad():
            z_t = add_noise(z, draw(z, generator), prior.alpha_bar[t])
            arrow = guide(*both(prior, z_t, t, words), s) - self.student(z_t, t, words.text)
        self.learn(prior, z, words, generator)
        return arrow

    @torch.enable_grad()
    def learn(self, prior: Prior, z: Tensor, words: Words, generator: torch.Generator) -> float:
        """One step of the student on the latents z, in single precision at least; its loss."""
        z = z.detach().to(torch.promote_types(z.dtype, torch.float32))
        t = uniform_steps(len(z), self.t_min, self.t_max, generator).to(z.device)
        eps = draw(z, generator)
        z_t = add_noise(z, eps, prior.alpha_bar[t])
        loss = (self.student(z_t, t, words.text) - eps).float().square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        mend(self.optimiser)
        self.optimiser.step()
        return loss.item()


def arrow_of(score: Score, prior: Prior) -> Arrow:
    """The arrow that a recipe asks for, with its settings. A VSD has a network of its own; the others have nothing."""
    if score.arrow == "vsd":
        return VSD(prior.student(), score.student_rate, score.t_min, score.t_max)
    inversion = partial(sdi, steps=score.inversion_steps, invert_s=score.inversion_guidance)
    away = partial(perp_neg, weight=score.perp_strength)
    return {"sds": sds, "csd": csd, "sdi": inversion, "perp-neg": away}[score.arrow]
