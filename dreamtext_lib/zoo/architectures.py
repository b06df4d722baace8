"""The tiny models, in the classes of diffusers and transformers, and their tokenizer, all untrained."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig
from transformers.convert_slow_tokenizer import bytes_to_unicode

from ..toybox.objects import vocabulary

PIXELS, LATENT, TOKENS, WIDTH = 64, 16, 24, 128


def autoencoder() -> AutoencoderKL:
    """64 x 64 x 3 pixels to 16 x 16 x 4 latents."""
    return AutoencoderKL(
        block_out_channels=(24, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=PIXELS,
        mid_block_add_attention=False,
    )


def clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """CLIP with patches of 8 pixels, width 128, 3 layers for text and 4 for images."""
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=PIXELS,
        patch_size=8,
        projection_dim=WIDTH,
    )
    return CLIPModel(
        CLIPConfig(
            text_config=text.to_dict(),
            vision_config=vision.to_dict(),
            projection_dim=WIDTH,
            logit_scale_init_value=2.5,
        )
    )


def unet() -> UNet2DConditionModel:
    """A U-Net over the latents, with cross-attention to the text on its two coarser levels."""
    return UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's own noise schedule: scaled linear, 0.00085 to 0.012 in 1000 steps."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def tokenizer(folder: Path) -> CLIPTokenizer:
    """Byte-pair encoding learned from the toybox's own words, written to `folder`.

    Every word of a caption is one token; any other word falls apart into bytes, so no text is unknown.
    """
    letters = list(bytes_to_unicode().values())
    vocab = letters + [c + "</w>" for c in letters]
    words = [[*w[:-1], w[-1] + "</w>"] for w in dict.fromkeys(vocabulary())]
    merges: list[tuple[str, str]] = []
    while pairs := Counter(pair for w in words for pair in pairwise(w)):
        pair = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(pair)
        vocab.append("".join(pair))
        words = [merge(w, pair) for w in words]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    numbered = {token: i for i, token in enumerate(dict.fromkeys(vocab))}
    (folder / "vocab.json").write_text(json.dumps(numbered, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    made = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKENS)
    made.save_pretrained(folder)
    return made


def transplant(old: CLIPModel, words: CLIPTokenizer, new: CLIPModel, tokenizer: CLIPTokenizer) -> None:
    """Give a CLIP the weights of another whose tokenizer had other words: a token that both know keeps its row."""
    weights, name = old.state_dict(), "text_model.embeddings.token_embedding.weight"
    rows, known = new.state_dict()[name].clone(), words.get_vocab()
    for token, i in tokenizer.get_vocab().items():
        if token in known:
            rows[i] = weights[name][known[token]]
    new.load_state_dict({**weights, name: rows})


def merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    """The word with each occurrence of the pair joined."""
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return out
