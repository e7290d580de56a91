"""LoRAs of FLUX.1 Canny and Depth over dev: same seed, same picture as the stock pipelines that wear them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.support.adapter_names import flux_control
from tests.tiny_flux import build_tiny_control_lora, build_tiny_flux_control
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import Case, Ours, disc, distance, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from tests.unit.engine.test_flux_loras import state
from underpaint.engine.family import Assignment
from underpaint.engine.loras.read import read_lora
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import LoraSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
CASE = Case("txt2img", "flow-match-euler", negative="")
PIPELINES: dict[str, Any] = {
    "txt2img": diffusers.FluxControlPipeline,
    "img2img": diffusers.FluxControlImg2ImgPipeline,
    "inpaint": diffusers.FluxControlInpaintPipeline,
}


@dataclass(frozen=True)
class Read(Steer):
    """A control image that is read with the LoRA `net`."""


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("loras")
    plain = root / "plain.safetensors"
    save_file(state("diffusers", 16, 3), plain)
    return {
        "whole": build_tiny_control_lora(root / "depth.safetensors"),
        "factors": build_tiny_control_lora(root / "canny.safetensors", seed=1, whole=False),
        "plain": plain,
    }


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "flux-dev")


def assignment(
    case: Case, steers: Sequence[Steer], worn: Sequence[Path] = (), job: str = "jobs/1"
) -> Assignment:
    """A case whose controls are read with LoRAs where they are of `Read`, and LoRAs beside."""
    found = controlled(case, steers, job)
    for source, one in zip(found.controls, steers, strict=True):
        source.kind = kinds.CONTROL_LORA if isinstance(one, Read) else kinds.CONTROL_NET
    for path in worn:
        found.spec.loras.add(name=path.stem, strength=0.5, text_encoder_strength=0.5)
    return replace(found, loras=tuple(LoraSource(name=path.stem, path=str(path)) for path in worn))


def latents(ours: Ours, case: Case, steers: Sequence[Steer], worn: Sequence[Path] = ()) -> torch.Tensor:
    found = run(ours, assignment(case, steers, worn)).current.latents
    assert found is not None
    return found


def stock(model: Path, case: Case, read: Read, worn: Sequence[Path] = ()) -> torch.Tensor:
    """The last latents of the stock pipeline that wears the LoRA, unpacked."""
    pipeline = PIPELINES[case.operation].from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    files = [read.net, *worn]
    for index, path in enumerate(files):
        pipeline.load_lora_weights(str(path), adapter_name=f"lora{index}")
    pipeline.set_adapters(
        [f"lora{index}" for index in range(len(files))], [read.strength, *[0.5] * len(worn)]
    )
    more: dict[str, Any] = {}
    if case.operation != "txt2img":
        more = {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    packed = pipeline(
        prompt=case.prompt,
        control_image=Image.fromarray(read.pixels()),
        width=64,
        height=64,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        output_type="latent",
        **more,
    ).images
    found: torch.Tensor = pipeline._unpack_latents(packed, 64, 64, pipeline.vae_scale_factor)
    return found


@pytest.mark.parametrize(
    ("operation", "name", "strength"),
    [
        ("txt2img", "whole", 1.0),
        ("txt2img", "factors", 0.7),
        ("img2img", "whole", 0.7),
        ("inpaint", "whole", 1.0),
    ],
)
def test_latents_are_those_of_the_stock_pipeline_that_wears_it(
    models: Path, ours: Ours, loras: dict[str, Path], operation: str, name: str, strength: float
) -> None:
    case, read = CASE.but(operation=operation), Read(loras[name], 5, strength)
    reference = stock(models / "flux-dev", case, read)
    assert distance(latents(ours, case, [read]), reference) <= TOLERANCE

    other = loras["factors" if name == "whole" else "whole"]
    for changed in (
        [],
        [replace(read, picture=9)],
        [replace(read, strength=0.4)],
        [replace(read, net=other)],
    ):
        assert distance(latents(ours, case, changed), reference) >= SENSITIVITY, changed
    for another in (case.but(prompt="green moss"), case.but(seed=2)):
        assert distance(latents(ours, another, [read]), reference) >= SENSITIVITY, another


def test_another_lora_beside_it_counts_as_well(models: Path, ours: Ours, loras: dict[str, Path]) -> None:
    read, worn = Read(loras["whole"], 5, 0.8), [loras["plain"]]
    reference = stock(models / "flux-dev", CASE, read, worn)
    assert distance(latents(ours, CASE, [read], worn), reference) <= TOLERANCE
    assert distance(latents(ours, CASE, [read]), reference) >= SENSITIVITY


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0)])
def test_it_is_worn_in_its_share_of_the_steps_only(
    ours: Ours, loras: dict[str, Path], start: float, end: float
) -> None:
    # Encoding the picture draws from the job's noise: compared is with a job that draws as much.
    given = assignment(CASE, [Read(loras["whole"], start=start, end=end)])
    free = assignment(CASE, [Read(loras["whole"], strength=0.0)])
    counted, equal = counted_and_equal(ours, given, free)
    assert counted == ([0, 1] if start == 0.0 else [2, 3])
    assert equal == [index < 4 * start for index in range(4)]


def test_jobs_share_a_pass_where_they_wear_the_same_and_nothing_stays_behind(
    models: Path, ours: Ours, loras: dict[str, Path], tmp_path: Path
) -> None:
    net = Steer(build_tiny_flux_control(tmp_path / "net"), 7, 0.6)
    given: list[list[Steer]] = [
        [Read(loras["whole"], 5, 0.8)],
        [Read(loras["whole"], 6, 0.8)],
        [Read(loras["whole"], 6, 0.4)],
        [Read(loras["factors"], 5, 0.8), net],
        [],
    ]
    jobs = [assignment(CASE.but(seed=seed), one, (), f"jobs/{seed}") for seed, one in enumerate(given)]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert {frozenset({0, 1}), frozenset({2}), frozenset({3}), frozenset({4})} <= shared
    assert torch.equal(latents(ours, CASE, []), latents(Ours(models / "flux-dev"), CASE, []))


def test_a_seamless_picture_reads_its_image_where_it_is_rolled_to(ours: Ours, loras: dict[str, Path]) -> None:
    flat = Read(loras["whole"], 5)
    given = assignment(CASE, [flat])
    given.spec.tile_x = given.spec.tile_y = True
    tiled = run(ours, given).current.latents
    assert tiled is not None and distance(tiled, latents(ours, CASE, [flat])) >= SENSITIVITY


def test_two_at_once_are_refused_and_one_that_does_not_fit_is_named(
    ours: Ours, loras: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="may name one control LoRA, names 2"):
        ours.family.prepare(assignment(CASE, [Read(loras["whole"]), Read(loras["factors"])]))
    wide = tmp_path / "wide.safetensors"
    save_file({f"x_embedder.lora_{one}.weight": torch.zeros(128, 128) for one in "AB"}, wide)
    with pytest.raises(ModelUnusable, match=r"transformer\.x_embedder is \(16, 64\), the LoRA \(128, 128\)"):
        run(ours, assignment(CASE, [Read(wide)]))


def test_the_released_files_names_are_those_of_layers_that_flux_dev_has(tmp_path: Path) -> None:
    path = tmp_path / "flux1-depth-dev-lora.safetensors"
    save_file(flux_control(), path)
    with torch.device("meta"):
        transformer = diffusers.FluxTransformer2DModel(guidance_embeds=True)
    found = read_lora(path, "transformer", transformer.config)["transformer"]
    wrong = {name: factors.misfit(transformer.get_submodule(name)) for name, factors in found.items()}
    assert not [name for name, misfit in wrong.items() if misfit]
    layers = {name for name, layer in transformer.named_modules() if isinstance(layer, torch.nn.Linear)}
    norms = {name for name, layer in transformer.named_modules() if ".norm_" in name and "attn" in name}
    assert found.keys() == layers | norms
