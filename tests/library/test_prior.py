"""The prior: text states with a gradient where one is asked for, its schedule, a student."""

import pytest
import torch

from dreamtext_lib.diffusion.schedule import Schedule, linear, of_alpha_bar, scaled_linear

PROMPT = "a red mug, front view"


def test_text_states_carry_no_gradient_unless_asked(prior):
    rows = prior.text_encoder.get_input_embeddings().weight
    rows.requires_grad_(True)
    try:
        plain, kept = prior.encode_text([PROMPT]), prior.encode_text([PROMPT], gradient=True)
        assert torch.equal(plain, kept) and not plain.requires_grad and kept.requires_grad
        kept.square().sum().backward()
        ids = set(prior.tokenizer(PROMPT).input_ids)
        moved = set(rows.grad.abs().sum(1).nonzero()[:, 0].tolist())
        assert ids <= moved and len(moved) < 12  # the words of the text, and what stands for padding
        assert all(p.grad is None for n, p in prior.text_encoder.named_parameters() if p is not rows)
    finally:
        rows.requires_grad_(False)
        rows.grad = None
    assert not prior.encode_text([PROMPT], gradient=True).requires_grad


def test_the_schedule_is_that_of_the_model(prior):
    schedule = prior.schedule
    assert isinstance(schedule, Schedule) and schedule.beta.dtype == torch.float64
    torch.testing.assert_close(schedule.alpha_bar.float(), prior.alpha_bar.cpu(), rtol=1e-6, atol=0)
    torch.testing.assert_close(schedule.beta, scaled_linear().beta, rtol=1e-3, atol=1e-6)  # alpha_bar was in float32


def test_a_schedule_is_found_from_what_it_leaves():
    for schedule in (linear(), scaled_linear(50)):
        torch.testing.assert_close(of_alpha_bar(schedule.alpha_bar).beta, schedule.beta, rtol=1e-9, atol=1e-15)
    with pytest.raises(ValueError, match="beta is one value in"):
        of_alpha_bar(torch.tensor([0.9, 0.9, 0.5]))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_student_begins_as_the_prior_and_leaves_it_alone(prior, monkeypatch, kind):
    monkeypatch.setattr(prior, "kind", kind)
    student, t = prior.student(), torch.tensor([500])
    z, states = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)), prior.encode_text([PROMPT])
    before = prior.eps(z, t, states)
    torch.testing.assert_close(student(z, t, states), before)
    assert student(z.half(), t, states.half()).dtype == torch.float16
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1)
    student(z, t, states).square().sum().backward()
    optimiser.step()
    assert not torch.allclose(student(z, t, states), before)
    assert torch.equal(prior.eps(z, t, states), before)
    assert not any(p.requires_grad for p in prior.unet.parameters())
