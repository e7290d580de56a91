"""What the other tests call original names is what diffusers' converters take apart again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.loaders import single_file_utils as convert

from tests.support import architectures, original_names
from tests.tiny_models import build_tiny

State = dict[str, torch.Tensor]


def _same(made: State, wanted: State) -> None:
    assert {name: tensor.shape for name, tensor in made.items()} == {
        name: tensor.shape for name, tensor in wanted.items()
    }


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl", "sdxl-refiner"])
def test_a_u_net_is_the_same_after_the_way_there_and_back(family: str) -> None:
    state = architectures.unet(family)
    config = {"layers_per_block": 2}
    if family.startswith("sdxl"):
        config["addition_embed_type"] = "text_time"  # type: ignore[assignment]
    _same(convert.convert_ldm_unet_checkpoint(original_names.unet(state, 2), config), state)


@pytest.mark.parametrize("channels", [4, 16])
def test_a_vae_is_the_same_after_the_way_there_and_back(channels: int) -> None:
    state = architectures.vae(channels)
    config = {"down_block_types": [""] * 4, "up_block_types": [""] * 4}
    _same(convert.convert_ldm_vae_checkpoint(original_names.vae(state, 4), config), state)


@pytest.mark.parametrize("guidance", [True, False])
def test_a_flux_transformer_is_the_same_after_the_way_there_and_back(guidance: bool) -> None:
    state = architectures.flux(guidance=guidance)
    back = convert.convert_flux_transformer_checkpoint_to_diffusers(original_names.flux(state))
    _same(back, state)


def test_values_survive_as_well_as_names(tmp_path: Path) -> None:
    tiny = StableDiffusionPipeline.from_pretrained(build_tiny(tmp_path / "tiny"))
    unet, vae = dict(tiny.unet.state_dict()), dict(tiny.vae.state_dict())
    backs = [
        (unet, convert.convert_ldm_unet_checkpoint(original_names.unet(unet, 1), tiny.unet.config)),
        (vae, convert.convert_ldm_vae_checkpoint(original_names.vae(vae, 4), tiny.vae.config)),
    ]
    for state, back in backs:
        assert back.keys() == state.keys()
        assert all(torch.equal(back[name], state[name]) for name in state)
