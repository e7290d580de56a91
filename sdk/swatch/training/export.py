"""From checkpoints to the folders that diffusers loads: two models and two control nets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from . import control, nets, text, vae, words
from .captions import NEAR, vocabulary
from .paths import cache

MODELS = Path(__file__).parents[1] / "underpaint_swatch" / "models"

SCHEDULERS: dict[str, Any] = {
    "euler": EulerDiscreteScheduler,
    "ddim": DDIMScheduler,
    "dpmpp-2m": DPMSolverMultistepScheduler,
}
BEST: dict[str, Any] = {"default_guidance": 3.0, "default_scheduler": "ddim"}
"""What the judge and the eye liked best."""
FILL_GUIDANCE = 2.0
"""What looked best in holes once the picture goes back around them; the judge was asked at this one only."""
FILL_STRENGTH, WORDLESS_FILL_STRENGTH = 0.9, 0.2
"""With words, scale and direction of what is around stay; without, the pattern itself does. By eye."""
AGREEMENT = -0.03
"""Words that find what is around a hole better than this, against no words, say what is there already."""
CONTROL_GUIDANCE = 1.5
"""With a drawing: more guidance pulls away from it."""


def scheduler(name: str) -> Any:
    """A stock scheduler on the noise schedule of the training."""
    keep = ("beta_schedule", "prediction_type", "timestep_spacing", "num_train_timesteps", "steps_offset")
    common = {key: nets.SCHEDULE[key] for key in keep}
    return SCHEDULERS[name](**(nets.SCHEDULE if name == "ddim" else common))


def parts() -> tuple[StableDiffusionPipeline, UNet2DConditionModel]:
    """The text-to-image pipeline and the nine-channel net of the best checkpoints, float32."""
    four = nets.four()
    nine = nets.nine()
    tokens = text.tokenizer()
    encoder = text.new_encoder(len(tokens), tokens.eos_token_id, tokens.bos_token_id)
    encoder.load_state_dict(words.trained()["text"])
    pipeline = StableDiffusionPipeline(
        vae=vae.trained(torch.device("cpu")), text_encoder=encoder.train(False), tokenizer=tokens,
        unet=four.eval(), scheduler=scheduler(BEST["default_scheduler"]), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return pipeline, nine


def _describe(folder: Path, title: str, **choices: Any) -> None:
    facts = {
        "title": title, "license": "Apache-2.0", "native_size_px": 256, "size_multiple_px": 16,
        "min_size_px": 128, "max_size_px": 1024, "default_steps": 10, **BEST, **choices,
        "vocabulary": vocabulary(), "near_words": NEAR,
    }  # fmt: skip
    (folder / "underpaint.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


CONTROLS: dict[str, dict[str, Any]] = {
    "lines": {"title": "Swatch Lines: keeps to a line drawing", "roles": ["line-art", "canny"]},
    "height": {"title": "Swatch Height: keeps to a height map", "roles": ["height", "depth"]},
}
"""What the control nets' folders say of themselves; the main role first."""


def _describe_control(folder: Path, kind: str) -> None:
    facts = {**CONTROLS[kind], "license": "Apache-2.0"}
    (folder / "underpaint.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def export(root: Path = MODELS) -> None:
    """Write all folders anew, in half precision."""
    pipeline, nine = parts()
    pipeline.to(torch.float16)
    fresh = root / "swatch.new"
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline.save_pretrained(fresh, safe_serialization=True)
    text.write_tokenizer(fresh / "tokenizer")  # the plain files, for older readers too
    _describe(fresh, "Swatch: textures and materials")
    other = root / "swatch-inpaint.new"
    shutil.rmtree(other, ignore_errors=True)
    nine.to(torch.float16).save_pretrained(other / "unet", safe_serialization=True)
    index = json.loads((fresh / "model_index.json").read_text("utf-8"))
    index["_class_name"] = "StableDiffusionInpaintPipeline"
    index["_shared_from"] = "../swatch"
    (other / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    _describe(
        other, "Swatch Fill: textures into holes", default_guidance=FILL_GUIDANCE, puts_back=True,
        size_multiple_px=32, fill_strength=FILL_STRENGTH, wordless_fill_strength=WORDLESS_FILL_STRENGTH,
        agreement=AGREEMENT,
    )  # fmt: skip
    made = [fresh, other]
    for kind in control.KINDS:
        if (cache() / f"{kind}.pt").exists():
            made.append(root / f"swatch-{kind}.new")
            shutil.rmtree(made[-1], ignore_errors=True)
            control.trained(kind).to(torch.float16).save_pretrained(made[-1], safe_serialization=True)
            _describe_control(made[-1], kind)
    for folder in made:  # readers see the old folder or the new, hardly a mixture
        for path in folder.rglob("*.safetensors"):
            path.chmod(0o644)  # they are written for their owner alone
        place = folder.with_suffix("")
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)
        print(f"{place.name}: {_size(place):.1f} MB")
