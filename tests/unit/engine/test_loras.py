"""LoRAs come and go: nothing of one is left in the next job, in a neighbour, or in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_loras import write_lora
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_lora_parity import SENSITIVITY, Worn, latents, planned
from underpaint.engine.family import Assignment
from underpaint.engine.loras.plan import plan_loras
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.types import StageKind, Tiling
from underpaint.worker_v1.worker_service_pb2 import LoraSource

CASE = Case("txt2img", "euler", steps=3)


@pytest.fixture(scope="module")
def ink(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(tmp_path_factory.mktemp("ink") / "ink.safetensors", models / "plain")


@pytest.fixture(scope="module")
def wash(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wash")
    return write_lora(folder / "wash.safetensors", models / "plain", naming="diffusers", seed=1)


def test_on_then_another_then_off_are_the_pictures_of_fresh_engines(
    models: Path, ink: Path, wash: Path
) -> None:
    ours = Ours(models / "plain")
    history: list[tuple[Worn, ...]] = [(Worn(ink),), (Worn(wash, 0.6),), (), (Worn(ink), Worn(wash)), ()]
    found = [latents(ours, CASE, *worn) for worn in history]
    for worn, painted in zip(history, found, strict=True):
        assert distance(painted, latents(Ours(models / "plain"), CASE, *worn)) == 0.0
    for one, other in ((0, 1), (0, 2), (1, 2), (0, 3), (3, 4)):
        assert distance(found[one], found[other]) >= SENSITIVITY
    assert not any(module._forward_hooks for module in ours.family._parts.network[0].modules())


def test_jobs_with_different_loras_take_turns_and_paint_what_each_paints_alone(
    models: Path, ink: Path, wash: Path
) -> None:
    ours = Ours(models / "plain")
    kinds = [(Worn(ink),), (Worn(wash),), (), (Worn(ink, 0.5),), (Worn(ink),)]
    alone = [latents(ours, CASE.but(seed=seed), *worn) for seed, worn in enumerate(kinds)]
    tasks = [planned(ours, CASE.but(seed=seed), worn, f"jobs/{seed}") for seed, worn in enumerate(kinds)]
    steps = 0
    while waiting := [task for task in tasks if not task.ready_to_finish]:
        early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
        leader = (early or waiting)[steps % len(early or waiting)]
        bucket = ours.family.bucket(leader)
        group = [task for task in waiting if ours.family.bucket(task) == bucket]
        assert len({task.loras for task in group}) == 1
        ours.family.step(group)
        steps += 1
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None
        assert distance(task.current.latents, single) <= 5e-5


def test_what_was_read_with_a_lora_is_remembered_for_it_alone(models: Path, ink: Path) -> None:
    ours = Ours(models / "plain")
    text = ours.family._parts.text
    plain, inked = (planned(ours, CASE, worn) for worn in ((), (Worn(ink),)))
    again = [planned(ours, CASE, worn) for worn in ((), (Worn(ink),), (Worn(ink, 0.5, 0.0),))]
    for task in (plain, inked, *again):
        while task.text is None:
            ours.family.step([task])
    assert plain.text is not None and inked.text is not None
    assert distance(inked.text.hidden, plain.text.hidden) >= SENSITIVITY
    assert again[0].text is plain.text and again[1].text is inked.text
    # Strength 0 in the text encoder reads as without.
    assert again[2].text is not None and distance(again[2].text.hidden, plain.text.hidden) == 0.0
    assert text.calls == 6


def test_a_lora_is_loaded_once_and_goes_with_its_model(models: Path, ink: Path) -> None:
    ours = Ours(models / "plain")
    shelf = ours.family._loras._shelf
    first = planned(ours, CASE, (Worn(ink),))
    loading = first.plan[0]
    assert loading.kind is StageKind.LOADING and loading.steps == 4
    while first.plan[first.stage_index].kind is StageKind.LOADING:
        ours.family.step([first])
    (worn,) = first.loras
    held = ours.family._loras.load(worn)
    assert planned(ours, CASE, (Worn(ink, 0.3),)).plan[0].steps == 1
    assert ours.family._loras.load(worn) is held
    shelf.release("plain")
    assert ours.family._loras.missing(first.loras) == [worn]


def test_a_lora_that_was_written_anew_under_its_name_is_read_again(
    models: Path, ink: Path, wash: Path, tmp_path: Path
) -> None:
    ours, last = Ours(models / "plain"), tmp_path / "last.safetensors"
    for number, file in enumerate((ink, wash, ink)):
        last.write_bytes(file.read_bytes())
        os.utime(last, ns=(number, number))  # two writes may fall into one tick of the clock
        fresh = latents(Ours(models / "plain"), CASE, Worn(file))
        assert distance(latents(ours, CASE, Worn(last)), fresh) == 0.0


def test_a_lora_on_a_seamless_picture_leaves_it_seamless(models: Path, ink: Path) -> None:
    ours = Ours(models / "plain")
    task = planned(ours, CASE, (Worn(ink),))
    unet, wrap = ours.family._parts.network
    while task.text is None:
        ours.family.step([task])
    sample = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))

    def forward(shift: int) -> torch.Tensor:
        rolled = torch.roll(sample, shift, 3)
        made = unet(rolled, 500, encoder_hidden_states=task.text.hidden, return_dict=False)[0]
        return torch.roll(made, -shift, 3)

    with torch.inference_mode(), ours.family._loras.around(("unet",), task.loras):
        with wrap.around(Tiling.X):
            assert distance(forward(2), forward(0)) < 1e-5
        assert distance(forward(2), forward(0)) > 1e-3


def test_one_named_twice_counts_with_the_sum_whatever_the_order(ink: Path, wash: Path) -> None:
    def plan(*named: tuple[Path, float]) -> object:
        spec = CASE.spec()
        for path, strength in named:
            spec.loras.add(name=path.stem, strength=strength)
        sources = tuple(LoraSource(name=path.stem, path=str(path)) for path, _ in named)
        return plan_loras(Assignment("jobs/1", spec, {}, loras=sources))

    assert plan((ink, 0.5), (wash, 1.0), (ink, 0.25)) == plan((wash, 1.0), (ink, 0.75))
    assert plan((ink, 0.5), (ink, -0.5)) == ()
    spec = CASE.spec()
    spec.loras.add(name="ink")
    with pytest.raises(InvalidRequest, match="came without the files"):
        plan_loras(Assignment("jobs/1", spec, {}))


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("dora_scale", "DoRA"),
        ("oft_blocks", "OFT"),
        ("on_input", "IA3"),
        ("a1.weight", "GLoRA"),
        ("lora_mid.weight", "CP decomposition"),
        ("hada_t1", "CP decomposition"),
        ("hada_t2", "CP decomposition"),
        ("lokr_t2", "CP decomposition"),
        ("diff", "whole weights"),
        ("w_norm", "whole weights"),
        ("lora_up.bias", "trained biases"),
    ],
)
def test_kinds_that_cannot_be_added_are_refused_by_name(
    models: Path, ink: Path, tmp_path: Path, ending: str, kind: str
) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({**load_file(ink), f"lora_unet_mid_block_x.{ending}": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelUnusable, match=kind):
        latents(Ours(models / "plain"), CASE, Worn(path))


def test_what_does_not_fit_the_model_is_named(models: Path, ink: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"attn2.to_k is \(32, 40\), the LoRA \(32, 16\)"):
        latents(Ours(models / "sdxl"), CASE, Worn(ink))
    half = {name: tensor for name, tensor in load_file(ink).items() if "fc1.lora_up" not in name}
    save_file(half, tmp_path / "half.safetensors")
    with pytest.raises(ModelUnusable, match="without the two factors"):
        latents(Ours(models / "plain"), CASE, Worn(tmp_path / "half.safetensors"))
    save_file(
        {"lora_unet_nowhere_to_q.lora_down.weight": torch.zeros(2, 4)}, tmp_path / "nowhere.safetensors"
    )
    with pytest.raises(ModelUnusable, match="no known program"):
        latents(Ours(models / "plain"), CASE, Worn(tmp_path / "nowhere.safetensors"))


def test_half_precision_files_count_as_much(models: Path, ink: Path, tmp_path: Path) -> None:
    save_file(
        {name: tensor.half() for name, tensor in load_file(ink).items()}, tmp_path / "ink16.safetensors"
    )
    ours = Ours(models / "plain")
    full, half = (latents(ours, CASE, Worn(path)) for path in (ink, tmp_path / "ink16.safetensors"))
    assert 0.0 < distance(half, full) <= 2e-2
    assert np.isfinite(half.numpy()).all()
