"""examples/05_family_sd3: a family that is no part of underpaint, equal to the stock pipelines."""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from tests.examples.loading import EXAMPLES
from tests.examples.tiny_sd3 import build_tiny_sd3
from tests.unit.engine.parity_rows import SD3_ROWS
from tests.unit.engine.rolls import rolls
from tests.unit.engine.stock import Case, Ours, disc, distance, photo
from underpaint.daemon.models import ModelIndex, to_source
from underpaint.daemon.plugins import Plugins
from underpaint.engine.family import Assignment
from underpaint.engine.registry import Families
from underpaint.engine.residency import Shelf

PACKAGE = EXAMPLES / "05_family_sd3"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "engine-plugins.md"
TOLERANCE, SENSITIVITY = 1e-5, 1e-2
STOCK: dict[str, Any] = {
    "txt2img": diffusers.StableDiffusion3Pipeline,
    "img2img": diffusers.StableDiffusion3Img2ImgPipeline,
    "inpaint": diffusers.StableDiffusion3InpaintPipeline,
}


class EntryPoint:
    """What pip would register."""

    name, group, dist, value = "sd3", "underpaint.engine", None, "underpaint_sd3.plugin"

    def load(self) -> ModuleType:
        from underpaint_sd3 import plugin

        return plugin


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    sys.path.insert(0, str(PACKAGE))
    torch.set_num_threads(1)
    yield
    sys.path.remove(str(PACKAGE))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_sd3(tmp_path_factory.mktemp("models") / "sd3")


@pytest.fixture(scope="module")
def ours(model: Path) -> Ours:
    from underpaint_sd3.family import StableDiffusion3

    return Ours(model, engine=StableDiffusion3)


@pytest.fixture(scope="module")
def stock(model: Path) -> Any:
    made = lru_cache(None)(lambda operation: STOCK[operation].from_pretrained(model))

    def latents(case: Case) -> tuple[torch.Tensor, np.ndarray]:
        pipeline, size = made(case.operation), (case.width, case.height)
        pipeline.set_progress_bar_config(disable=True)
        more: dict[str, Any] = {"width": case.width, "height": case.height}
        if case.operation != "txt2img":
            more |= {"image": Image.fromarray(photo(*size)), "strength": case.strength}
        if case.operation == "inpaint":
            more["mask_image"] = Image.fromarray(disc(*size, radius=case.mask))
        seen: list[torch.Tensor] = []

        def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
            seen.append(values["latents"])
            return {}

        pictures = pipeline(
            prompt=case.prompt,
            negative_prompt=case.negative,
            num_inference_steps=case.steps,
            guidance_scale=case.guidance,
            generator=torch.Generator().manual_seed(case.seed),
            callback_on_step_end=keep,
            **more,
        ).images
        return seen[-1], np.asarray(pictures[0])

    return latents


def case_of(operation: str, **more: object) -> Case:
    return Case(operation, "flow-match-euler").but(**more)


@pytest.mark.parametrize(("operation", "strength"), [row[1:] for row in SD3_ROWS])
def test_latents_and_pictures_are_those_of_the_stock_pipeline(
    ours: Ours, stock: Any, operation: str, strength: float
) -> None:
    case = case_of(operation, strength=strength)
    task = ours.run(case)
    latents, (reference, picture) = task.current.latents, stock(case)
    assert latents is not None and task.made is not None
    assert distance(latents, reference) <= TOLERANCE
    if operation != "inpaint":
        # The stock inpainting forgets the VAE's shift when it decodes.
        assert np.abs(np.rint(task.made * 255).astype(int) - picture.astype(int)).max() <= 1
    others = [
        case.but(prompt="green moss"),
        case.but(negative="sky"),
        case.but(guidance=9.0),
        case.but(seed=2),
    ]
    if operation == "inpaint":
        others.append(case.but(mask=12.0))
    for other, moved in zip(others, ours.together(others), strict=True):
        assert distance(moved, reference) >= SENSITIVITY, other


@pytest.mark.parametrize(
    "change",
    [
        {"guidance": 1.0},
        {"steps": 1},
        {"steps": 9},
        {"width": 48, "height": 80},
        {"prompt": "old moss " * 60},
    ],
)
def test_whatever_is_asked_for_agrees(ours: Ours, stock: Any, change: dict[str, Any]) -> None:
    case = case_of("txt2img", **change)
    assert distance(ours.latents(case), stock(case)[0]) <= TOLERANCE


def test_mixed_jobs_in_one_batch_equal_the_same_jobs_alone(ours: Ours) -> None:
    cases = [
        case_of("txt2img", steps=3),
        case_of("img2img", seed=3, steps=5, strength=0.5, guidance=9.0),
        case_of("inpaint", seed=4, scheduler="flow-match-heun", steps=3, strength=1.0),
    ]
    alone = [ours.latents(case) for case in cases]
    for together, single in zip(ours.together(cases), alone, strict=True):
        assert distance(together, single) <= 5e-5


async def test_the_hook_alone_brings_the_family_to_daemon_and_worker(model: Path) -> None:
    # Whatever else is installed here must not stand in this list.
    load = partial(Plugins, lambda group: [EntryPoint()], installed_models=False)
    plugins = load()
    assert [info.problem for info in plugins.infos()] == [""]
    (found,) = await ModelIndex([model.parent], load_plugins=lambda: plugins).all()
    assert found.family is not None and found.traits is not None, found.problem
    assert (found.family.name, found.traits.size_multiple) == ("sd3", 16)
    engine = Families(Shelf(), "cpu", "float32").get(to_source(found))
    task = engine.prepare(Assignment("jobs/1", case_of("txt2img").spec(), {}))
    while not task.ready_to_finish:
        engine.step([task])
    assert engine.finish(task)[0].samples.shape == (64, 64, 3)
    assert engine.loaded and "transformer/diffusion_pytorch_model.safetensors" in engine.weights()


def test_no_pipeline_is_ever_called(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pipeline was called")

    for pipeline in STOCK.values():
        monkeypatch.setattr(pipeline, "__call__", refuse)
    for operation in STOCK:
        assert ours.run(case_of(operation)).made is not None


def test_a_seamless_picture_has_its_border_somewhere_else_at_each_step(ours: Ours) -> None:
    spec = case_of("txt2img", guidance=1.0, steps=5).spec()
    spec.tile_x = True
    columns = [column for _, column in rolls(ours, spec, lambda latents: latents)]
    assert len(columns) == 4
    assert all(one != other for one, other in itertools.pairwise(columns))


def test_the_daemon_needs_no_torch_for_it() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); from underpaint_sd3 import plugin; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_takes_from_underpaint_only_what_the_page_on_engine_plugins_names() -> None:
    row = re.compile(r"^\| `(underpaint\.[\w.]+)` \| (.+?) \|", re.MULTILINE)
    named = dict(row.findall(PAGE.read_text("utf-8")))
    taken = set()
    for file in (PACKAGE / "underpaint_sd3").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("underpaint."):
                taken |= {(str(node.module), alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("underpaint") for alias in node.names)
    assert len(taken) > 20
    assert [one for one in sorted(taken) if f"`{one[1]}`" not in named.get(one[0], "")] == []
