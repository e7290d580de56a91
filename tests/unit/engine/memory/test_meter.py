"""Estimates against networks of full width, which compute on the meta device and are measured there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel

from underpaint.engine.memory.estimates import TEXT_TOKENS, bias_bytes, denoiser_bytes, vae_bytes
from underpaint.engine.memory.meter import FusedAttention, Meter
from underpaint.engine.regions.attention import attending
from underpaint.engine.regions.joint import bias
from underpaint.geometry import Size

SIZE = Size(1024, 768)
ROWS = 2


def empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta", dtype=torch.bfloat16)


def network(kind: Any, **config: Any) -> Any:
    with torch.device("meta"):
        return kind(**config).to(torch.bfloat16).eval().requires_grad_(False)


def peak(compute: Callable[[], object]) -> int:
    with torch.inference_mode(), FusedAttention(), Meter() as meter:
        compute()
    return meter.peak


def sd15() -> tuple[Any, Callable[[Any], object]]:
    cells = empty(ROWS, 4, SIZE.height // 8, SIZE.width // 8)
    return network(UNet2DConditionModel, cross_attention_dim=768, attention_head_dim=8), lambda unet: unet(
        cells, empty(ROWS), empty(ROWS, 77, 768)
    )


def sdxl() -> tuple[Any, Callable[[Any], object]]:
    cells = empty(ROWS, 4, SIZE.height // 8, SIZE.width // 8)
    added = {"text_embeds": empty(ROWS, 1280), "time_ids": empty(ROWS, 6)}
    unet = network(
        UNet2DConditionModel,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        # One layer after another: more of them take no more memory at once.
        transformer_layers_per_block=[1, 1, 1],
        attention_head_dim=[5, 10, 20],
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    return unet, lambda unet: unet(cells, empty(ROWS), empty(ROWS, 77, 2048), added_cond_kwargs=added)


def flux() -> tuple[Any, Callable[[Any], object]]:
    tokens = SIZE.width * SIZE.height // 256
    transformer = network(FluxTransformer2DModel, num_layers=1, num_single_layers=1, guidance_embeds=True)
    return transformer, lambda transformer: transformer(
        hidden_states=empty(ROWS, tokens, 64),
        encoder_hidden_states=empty(ROWS, TEXT_TOKENS, 4096),
        pooled_projections=empty(ROWS, 768),
        timestep=empty(ROWS),
        guidance=empty(ROWS),
        txt_ids=empty(TEXT_TOKENS, 3),
        img_ids=empty(tokens, 3),
    )


@pytest.mark.parametrize("make", [sd15, sdxl, flux])
def test_the_estimate_of_a_full_size_denoiser_is_what_it_computes_with(make: Callable[[], Any]) -> None:
    denoiser, compute = make()
    estimate = denoiser_bytes(denoiser.config, SIZE, 8, ROWS, 2)
    assert 1.0 <= estimate / peak(lambda: compute(denoiser)) <= 1.1


@pytest.mark.parametrize(("make", "width"), [(sd15, 768), (sdxl, 2048)])
def test_regions_told_by_place_take_no_more_than_a_picture_without(
    make: Callable[[], Any], width: int
) -> None:
    unet, compute = make()
    texts = [empty(ROWS, 77, width) for _ in range(4)]
    shares = empty(ROWS, 5, SIZE.height // 8, SIZE.width // 8)
    with attending(unet, texts, shares, 0):
        measured = peak(lambda: compute(unet))
    assert 1.0 <= denoiser_bytes(unet.config, SIZE, 8, ROWS, 2) / measured <= 1.1


def test_the_estimate_knows_what_a_transformer_reads_beside_its_picture() -> None:
    transformer, _ = flux()
    tokens, texts = SIZE.width * SIZE.height // 256, 3
    words = texts * TEXT_TOKENS

    def compute() -> None:
        shares = [torch.empty((texts, tokens), device="meta") for _ in range(ROWS)]
        reads = bias(shares, TEXT_TOKENS, 2).to(torch.bfloat16)
        transformer(
            hidden_states=empty(ROWS, 2 * tokens, 64),
            encoder_hidden_states=empty(ROWS, words, 4096),
            pooled_projections=empty(ROWS, 768),
            timestep=empty(ROWS),
            guidance=empty(ROWS),
            txt_ids=empty(words, 3),
            img_ids=empty(2 * tokens, 3),
            joint_attention_kwargs={"attention_mask": reads},
        )

    estimate = denoiser_bytes(transformer.config, SIZE, 8, ROWS, 2, words=words, pictures=2)
    estimate += bias_bytes(words + 2 * tokens, ROWS, 2)
    assert 0.9 <= estimate / peak(compute) <= 1.3


def test_the_estimate_of_a_full_size_vae_is_what_it_computes_with() -> None:
    vae = network(
        AutoencoderKL,
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
    decoding = peak(lambda: vae.decode(empty(ROWS, 4, SIZE.height // 8, SIZE.width // 8)))
    encoding = peak(lambda: vae.encode(empty(ROWS, 3, SIZE.height, SIZE.width)))
    assert 1.0 <= vae_bytes(vae.config, SIZE, ROWS, 2, encoding=False) / decoding <= 1.1
    assert 1.0 <= vae_bytes(vae.config, SIZE, ROWS, 2, encoding=True) / encoding <= 1.1


def test_what_is_alive_counts_and_what_was_there_or_is_gone_does_not() -> None:
    before = torch.ones(1000)
    with Meter() as meter:
        before.add_(1)
        one = torch.zeros(100)
        view = one.view(10, 10)
        assert meter.peak == 400
        two = one + 1
        assert meter.peak == 800
        del one, view, two
        torch.zeros(150)
        assert meter.peak == 800
    assert meter.peak == 800


def test_a_limit_is_a_device_that_is_full() -> None:
    with Meter(lambda: 1000), pytest.raises(torch.OutOfMemoryError, match="1200 bytes are wanted"):
        torch.zeros(300)
