"""Tiny FLUX.1 models with random weights: dev, schnell, Fill and Kontext; see `tests.tiny_models`."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Literal

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxTransformer2DModel,
)
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from safetensors.torch import save_file
from transformers import (
    CLIPTextModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from tests.tiny_models import (
    ENCODER_PROJECTION,
    NATIVE,
    WORDS,
    build_tiny_image_encoder,
    clip_config,
    clip_tokenizer,
)

FluxKind = Literal["flux-dev", "flux-schnell", "flux-fill", "flux-kontext", "flux-depth"]

_CLASSES: dict[FluxKind, str] = {
    "flux-dev": "FluxPipeline",
    "flux-schnell": "FluxPipeline",
    "flux-fill": "FluxFillPipeline",
    "flux-kontext": "FluxKontextPipeline",
    "flux-depth": "FluxControlPipeline",
}
_LATENT = 16
_FACTOR = 8
_CHANNELS = {"flux-fill": 4 * (2 * _LATENT + _FACTOR**2), "flux-depth": 8 * _LATENT}
"""What transformers read, where that is more than latents."""
_WIDTH = 16
"""Of the text encoders."""
_LOUD = 3.0
"""What the transformer's random weights are multiplied by, so that every word and number moves a picture."""


def build_tiny_flux(
    folder: Path, *, kind: FluxKind = "flux-dev", seed: int = 0, double_blocks: int = 1
) -> Path:
    """Writes a model into `folder` and returns it. Native size 64 px, sizes in multiples of 16."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip_tokenizer(77).save_pretrained(folder / "tokenizer")
        CLIPTextModel(clip_config(77, _WIDTH)).save_pretrained(folder / "text_encoder")
        words = tiny_t5_tokenizer()
        words.save_pretrained(folder / "tokenizer_2")
        tiny_t5(len(words), _WIDTH).save_pretrained(folder / "text_encoder_2")
        shifted_vae().save_pretrained(folder / "vae")
        _scheduler(kind).save_pretrained(folder / "scheduler")
        transformer = _transformer(kind, double_blocks)
        for layer in transformer.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.data *= _LOUD
        transformer.save_pretrained(folder / "transformer")
    (folder / "model_index.json").write_text(json.dumps(_index(kind), indent=2), "utf-8")
    traits = {
        "title": f"Tiny random {kind}",
        "license": "Apache-2.0",
        "native_size_px": NATIVE,
        "min_size_px": 32,
        "max_size_px": 256,
        "default_steps": 4,
    }
    (folder / "underpaint.json").write_text(json.dumps(traits, indent=2), "utf-8")
    return folder


def build_tiny_flux_control(
    folder: Path, *, seed: int = 0, modes: int | None = None, hint: bool = False, guided: bool = True
) -> Path:
    """Writes a control net for such a model into `folder` and returns it; it steers at random.

    `modes`: a union net with so many. `hint`: it reads pixels, as XLabs' nets do, not latents, and answers
    for double blocks only. `guided`: it takes the guidance scale.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(600 + seed)
        net = FluxControlNetModel(
            patch_size=2 if hint else 1,
            in_channels=4 * _LATENT,
            num_layers=1,
            num_single_layers=0 if hint else 1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            pooled_projection_dim=_WIDTH,
            guidance_embeds=guided,
            axes_dims_rope=(2, 2, 4),
            num_mode=modes,
            conditioning_embedding_channels=_LATENT if hint else None,
        )
        # A new net has zeros where the picture goes in and where the control comes out.
        for layer in (net.controlnet_x_embedder, *net.controlnet_blocks, *net.controlnet_single_blocks):
            torch.nn.init.normal_(layer.weight, std=4.0 if modes else 0.5)
        if modes:
            # One token among hundreds: attention must be choosy for it to be seen.
            torch.nn.init.normal_(net.controlnet_mode_embedder.weight, std=50.0)
            for name, weight in net.named_parameters():
                if ".norm_q." in name or ".norm_added_k." in name:
                    weight.data *= 5.0
        if net.input_hint_block is not None:
            for layer in net.input_hint_block.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight)
        net.save_pretrained(folder)
    return folder


def build_tiny_redux(folder: Path, *, seed: int = 0) -> Path:
    """Writes a FLUX.1 Redux for such a model into `folder` and returns it: 144 words of a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(700 + seed)
        config = SiglipVisionConfig(
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=84,
            patch_size=7,
        )
        encoder, embedder = SiglipVisionModel(config), ReduxImageEncoder(8, _WIDTH)
        # Fresh ones make all pictures alike.
        for network, spread in ((encoder, 0.4), (embedder, 0.6)):
            for weight in network.parameters():
                if weight.ndim > 1:
                    torch.nn.init.normal_(weight, std=spread)
        encoder.save_pretrained(folder / "image_encoder")
        embedder.save_pretrained(folder / "image_embedder")
    size = {"height": 84, "width": 84}
    SiglipImageProcessor(size=size).save_pretrained(folder / "feature_extractor")
    index = {
        "_class_name": "FluxPriorReduxPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": ["transformers", "SiglipImageProcessor"],
        "image_embedder": ["flux", "ReduxImageEncoder"],
        "image_encoder": ["transformers", "SiglipVisionModel"],
        **{name: [None, None] for name in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")},
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), "utf-8")
    return folder


def build_tiny_flux_reference(path: Path, *, seed: int = 0, blocks: int = 1, xlabs: bool = True) -> Path:
    """Writes an IP-Adapter for such a model to `path` and returns it; an image encoder lies beside.

    `blocks`: the transformer's double ones. `xlabs`: under the names of the released files, else under those
    of other IP-Adapters.
    """
    noise = torch.Generator().manual_seed(800 + seed)

    def fresh(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=noise) / shape[-1] ** 0.5

    block = (
        "double_blocks.{}.processor.ip_adapter_double_stream_{}_proj" if xlabs else "ip_adapter.{}.to_{}_ip"
    )
    projection = "ip_adapter_proj_model" if xlabs else "image_proj"
    tensors = {
        f"{projection}.proj.weight": fresh(4 * _WIDTH, ENCODER_PROJECTION),
        f"{projection}.proj.bias": torch.zeros(4 * _WIDTH),
        f"{projection}.norm.weight": torch.ones(_WIDTH),
        f"{projection}.norm.bias": torch.zeros(_WIDTH),
    }
    for number, which in product(range(blocks), "kv"):
        tensors[f"{block.format(number, which)}.weight"] = 2.0 * fresh(16, _WIDTH)
        tensors[f"{block.format(number, which)}.bias"] = fresh(16)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    if not (path.parent / "image_encoder").exists():
        build_tiny_image_encoder(path.parent / "image_encoder")
    return path


def build_tiny_control_lora(path: Path, *, seed: int = 0, whole: bool = True) -> Path:
    """Writes a LoRA with which such a model reads a control image to `path`, in diffusers' names.

    `whole`: with trained biases and normalisations, as the released ones; else factors alone.
    """
    noise = torch.Generator().manual_seed(900 + seed)
    width, rank, read = 16, 2, 4 * _LATENT
    layers = {
        "x_embedder": (2 * read, width),
        "time_text_embed.timestep_embedder.linear_1": (256, width),
        "transformer_blocks.0.norm1.linear": (width, 6 * width),
        "transformer_blocks.0.attn.to_q": (width, width),
        "transformer_blocks.0.ff_context.net.2": (4 * width, width),
        "single_transformer_blocks.0.proj_out": (5 * width, width),
        "proj_out": (width, read),
    }
    tensors = {}
    for name, (inputs, outputs) in layers.items():
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, inputs, generator=noise) / inputs**0.5
        tensors[f"{name}.lora_B.weight"] = torch.randn(outputs, rank, generator=noise) / rank**0.5
        if name == "x_embedder":
            # The image shall be seen.
            tensors[f"{name}.lora_B.weight"] *= 8.0
        if whole:
            tensors[f"{name}.lora_B.bias"] = torch.randn(outputs, generator=noise) / 4.0
    if whole:
        for block in ("transformer_blocks.0", "single_transformer_blocks.0"):
            for norm in ("q", "k"):
                tensors[f"{block}.attn.norm_{norm}.weight"] = 1.0 + torch.rand(8, generator=noise)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"transformer.{name}": tensor for name, tensor in tensors.items()}, path)
    return path


def _index(kind: FluxKind) -> dict[str, object]:
    return {
        "_class_name": _CLASSES[kind],
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _transformer(kind: FluxKind, double_blocks: int) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        in_channels=_CHANNELS.get(kind, 4 * _LATENT),
        out_channels=4 * _LATENT,
        num_layers=double_blocks,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
        guidance_embeds=kind != "flux-schnell",
        axes_dims_rope=(2, 2, 4),
    )


def tiny_t5_tokenizer() -> T5TokenizerFast:
    """T5's, for the letters and `WORDS`."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [(letter, -9.0) for letter in letters]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)


def tiny_t5(words: int, width: int) -> T5EncoderModel:
    """An encoder for so many tokens."""
    return T5EncoderModel(
        T5Config(
            vocab_size=words,
            d_model=width,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def shifted_vae() -> AutoencoderKL:
    """One with 16 channels whose latents are shifted, as those of flow models are."""
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=_LATENT,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=NATIVE,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _scheduler(kind: FluxKind) -> FlowMatchEulerDiscreteScheduler:
    if kind == "flux-schnell":
        return FlowMatchEulerDiscreteScheduler(shift=1.0)
    return FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_image_seq_len=4, max_image_seq_len=64
    )
