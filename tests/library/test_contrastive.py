"""The contrastive loss: against transformers' own, its bounds, its symmetry, its gradient, and what it refuses."""

import math

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from dreamtext_lib.diffusion.contrastive import contrastive_loss


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_it_is_the_loss_that_transformers_clip_returns():
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(vocab_size=30, max_position_embeddings=8, bos_token_id=1, eos_token_id=2, **small)
    vision = CLIPVisionConfig(image_size=8, patch_size=4, **small)
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12)).eval()
    ids = torch.randint(3, 30, (5, 6), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = 2
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=draw(5, 3, 8, 8, dtype=torch.float32), return_loss=True)
    ours = contrastive_loss(out.image_embeds, out.text_embeds, model.logit_scale.detach().exp())
    torch.testing.assert_close(ours, out.loss)


def test_its_bounds_are_those_of_a_choice_among_n():
    same = torch.ones(7, 3, dtype=torch.float64)
    assert contrastive_loss(same, same, 14.0).item() == pytest.approx(math.log(7))  # nobody can be told apart
    assert contrastive_loss(torch.eye(7), torch.eye(7), 100.0).item() == pytest.approx(0, abs=1e-6)
    assert contrastive_loss(torch.eye(7), torch.eye(7).roll(1, 0), 100.0) > 90  # sure of the wrong one


def test_neither_length_nor_order_nor_the_side_counts():
    images, texts = draw(6, 4), draw(6, 4, seed=1)
    loss = contrastive_loss(images, texts, 3.0)
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    torch.testing.assert_close(contrastive_loss(texts, images, 3.0), loss)
    torch.testing.assert_close(contrastive_loss(5 * images, texts / 7, 3.0), loss)
    torch.testing.assert_close(contrastive_loss(images[order], texts[order], 3.0), loss)
    assert not torch.isclose(contrastive_loss(images, texts[order], 3.0), loss)


def test_its_gradient_reaches_both_sides_and_the_scale():
    images, texts = draw(4, 3).requires_grad_(), draw(4, 3, seed=1).requires_grad_()
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(contrastive_loss, (images, texts, scale))


@pytest.mark.parametrize("shapes", [((4, 3), (5, 3)), ((4, 3), (4, 2)), ((3,), (3,))])
def test_it_refuses_what_is_no_list_of_pairs(shapes):
    with pytest.raises(ValueError, match="one text for each image"):
        contrastive_loss(*(torch.ones(shape) for shape in shapes), 1.0)
