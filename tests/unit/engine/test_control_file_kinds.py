"""Union nets, T2I adapters, FLUX nets, Redux and image encoders in one file: to the bit as their folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support import original_names as original
from tests.support.control_files import SIZES, write_file
from tests.support.single_files import write_checkpoint, write_parts
from tests.tiny_flux import build_tiny_flux, build_tiny_flux_control, build_tiny_redux
from tests.tiny_models import build_tiny, build_tiny_adapter, build_tiny_reference, build_tiny_union
from tests.unit.engine.stock import RGB, Case, Ours, distance, photo
from tests.unit.engine.test_control_parity import run
from tests.unit.engine.test_single_file import Single
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ControlSource

State = dict[str, torch.Tensor]
SENSITIVITY = 1e-2
ROPE = {"axes_dims_rope": [2, 2, 4]}
CLIP = {"num_attention_heads": 2, "hidden_act": "quick_gelu"}
SIGLIP = {"num_attention_heads": 2}


@pytest.fixture(scope="module")
def engine(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ours]:
    first = build_tiny(tmp_path_factory.mktemp("first") / "first", seed=9, attention_first=True)
    return lru_cache(None)(lambda model: Ours(first if model == "first" else models / model))


def latents(
    ours: Ours, place: Path, kind: str, role: str, picture: int = 5, encoder: Path | None = None
) -> torch.Tensor:
    scheduler = "flow-match-euler" if type(ours.family).__name__ == "Flux" else "euler"
    case = Case("txt2img", scheduler, negative="", steps=3)
    spec, inputs = case.spec(), case.inputs()
    inputs["blobs/shown"] = Raster.over(photo(seed=picture).tobytes(), RGB, 64, 64)
    spec.controls.append(job_service_pb2.Control(image=image_pb2.ImageRef(blob="blobs/shown"), role=role))
    spec.controls[0].strength = 1.0
    source = ControlSource(name=place.name, path=str(place), kind=kind, image_encoder=str(encoder or ""))
    found = run(ours, Assignment("jobs/1", spec, inputs, controls=(source,))).current.latents
    assert found is not None
    return found


def weights(folder: Path) -> State:
    return load_file(next(folder.glob("*.safetensors")))


def check(ours: Ours, folder: Path, file: Path, kind: str, role: str, **more: Path) -> None:
    """One picture whichever of the two is named, and another one for another control image."""
    wanted = latents(ours, folder, kind, role, **more)
    assert torch.equal(latents(ours, file, kind, role, **more), wanted)
    assert distance(latents(ours, file, kind, role, 9, **more), wanted) >= SENSITIVITY


@pytest.mark.parametrize("modes", [6, 8])
def test_a_union_net(engine: Callable[[str], Ours], tmp_path: Path, modes: int) -> None:
    folder = build_tiny_union(tmp_path / "net", modes=modes)
    config = {**SIZES, "num_trans_head": 2}
    file = write_file(tmp_path / "promax.safetensors", weights(folder), config=config)
    check(engine("sdxl"), folder, file, kinds.CONTROL_NET_UNION, "depth")
    other = latents(engine("sdxl"), file, kinds.CONTROL_NET_UNION, "canny")
    assert distance(other, latents(engine("sdxl"), folder, kinds.CONTROL_NET_UNION, "depth")) >= SENSITIVITY


@pytest.mark.parametrize("naming", ["authors", "diffusers"])
@pytest.mark.parametrize("model", ["first", "sdxl"])
def test_a_t2i_adapter(engine: Callable[[str], Ours], tmp_path: Path, model: str, naming: str) -> None:
    folder = build_tiny_adapter(tmp_path / "adapter", xl=model == "sdxl")
    state = weights(folder)
    state = original.t2i_adapter(state, 1) if naming == "authors" else state
    file = write_file(tmp_path / "adapter.safetensors", state)
    check(engine(model), folder, file, kinds.T2I_ADAPTER, "canny")


@pytest.mark.parametrize("kind", ["latents", "union", "pixels", "pixels, as XLabs names it"])
def test_a_net_for_flux(engine: Callable[[str], Ours], tmp_path: Path, kind: str) -> None:
    modes = 7 if kind == "union" else None
    folder = build_tiny_flux_control(tmp_path / "net", hint="pixels" in kind, modes=modes)
    state = original.flux_net(weights(folder)) if "XLabs" in kind else weights(folder)
    file = write_file(tmp_path / "net.safetensors", state, config=ROPE)
    union = kinds.CONTROL_NET_UNION if modes else kinds.CONTROL_NET
    check(engine("flux-dev"), folder, file, union, "canny")


def test_redux_with_an_encoder_of_its_own_file(engine: Callable[[str], Ours], tmp_path: Path) -> None:
    folder, ours = build_tiny_redux(tmp_path / "redux"), engine("flux-dev")
    file = write_file(tmp_path / "flux1-redux-dev.safetensors", weights(folder / "image_embedder"))
    state = weights(folder / "image_encoder")
    named = {f"vision_model.{name.removeprefix('vision_model.')}": state[name] for name in state}
    encoder = write_file(tmp_path / "clip_vision" / "sigclip.safetensors", named, config=SIGLIP)
    wanted = latents(ours, folder, kinds.REDUX, "reference", encoder=folder / "image_encoder")
    assert torch.equal(latents(ours, file, kinds.REDUX, "reference", encoder=encoder), wanted)
    assert distance(latents(ours, file, kinds.REDUX, "reference", 9, encoder), wanted) >= SENSITIVITY


@pytest.mark.parametrize("naming", ["transformers", "OpenCLIP", "the whole of CLIP"])
@pytest.mark.parametrize("plus", [False, True])
def test_an_ip_adapter_with_an_encoder_in_one_file(
    engine: Callable[[str], Ours], tmp_path: Path, plus: bool, naming: str
) -> None:
    adapter = build_tiny_reference(tmp_path / "adapter.safetensors", plus=plus)
    folder, ours = tmp_path / "image_encoder", engine("plain")
    state = weights(folder)
    state = original.open_clip_vision(state) if naming == "OpenCLIP" else state
    # Files of old count their positions.
    if naming == "transformers":
        state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    if naming == "the whole of CLIP":
        state |= {"text_model.final_layer_norm.weight": torch.ones(4), "logit_scale": torch.ones(())}
    file = write_file(tmp_path / "clip_vision" / "vit.safetensors", state, config=CLIP)
    wanted = latents(ours, adapter, kinds.IP_ADAPTER, "reference", encoder=folder)
    assert torch.equal(latents(ours, adapter, kinds.IP_ADAPTER, "reference", encoder=file), wanted)
    assert distance(latents(ours, adapter, kinds.IP_ADAPTER, "reference", 9, file), wanted) >= SENSITIVITY


@pytest.mark.parametrize("apart", [False, True])
def test_flux_depth_which_reads_the_image_itself(tmp_path: Path, apart: bool) -> None:
    folder = build_tiny_flux(tmp_path / "flux-depth", kind="flux-depth", seed=12)
    place = tmp_path / "flux1-depth-dev"
    place.mkdir()
    if apart:
        files = write_parts(folder, place)
        said = {**json.loads((folder / "underpaint.json").read_text()), "shown_role": "depth"}
        (place / "transformer.underpaint.json").write_text(json.dumps(said))
        single = Single(folder, files["transformer"], files)
    else:
        single = Single(folder, write_checkpoint(folder, place / "flux1-depth-dev.safetensors"))
    wanted = latents(Ours(folder), folder, kinds.PIPELINE, "depth")
    assert torch.equal(latents(single, place, kinds.PIPELINE, "depth"), wanted)
    assert distance(latents(single, place, kinds.PIPELINE, "depth", 9), wanted) >= SENSITIVITY
