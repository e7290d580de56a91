"""What each model family can do: made of the rows that the tests compare with the stock pipelines."""

from __future__ import annotations

from typing import Final

from tests.unit.engine.parity_rows import FLOW_ROWS, ROWS, SD3_ROWS, TITLES
from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS, SCHEDULERS

OPERATIONS: Final = {
    "txt2img": "from words",
    "img2img": "from a picture",
    "inpaint": "inpainting, with soft masks",
    "edit": "editing by instruction",
}
YES: Final = "equal to stock"


def page() -> str:
    """The page."""
    shown = {(row.model, row.operation) for row in (*ROWS, *FLOW_ROWS, *SD3_ROWS)}
    rows = [
        " | ".join(["", title, *(YES if (model, one) in shown else "–" for one in OPERATIONS), ""]).strip()
        for model, title in TITLES.items()
    ]
    return "\n".join(
        [
            "# Model families",
            "",
            "This table is made of the rows that the tests run: in each cell that says so, pictures are "
            "those of the stock diffusers pipeline for the same seed (latents equal within 1e-5 of their "
            "largest value, in float32 on a CPU, with tiny random weights): Stable Diffusion under every "
            "scheduler of its own below, FLUX.1 and Stable Diffusion 3 under `flow-match-euler`. A dash: the "
            "model cannot do it, and says so when it is asked.",
            "",
            f"| model | {' | '.join(OPERATIONS.values())} |",
            f"| --- | {' | '.join('---' for _ in OPERATIONS)} |",
            *rows,
            "",
            "Schedulers of Stable Diffusion: " + ", ".join(f"`{name}`" for name in SCHEDULERS) + ".",
            "",
            "Schedulers of FLUX.1 and Stable Diffusion 3: "
            + ", ".join(f"`{name}`" for name in FLOW_SCHEDULERS)
            + ". The stock "
            "pipelines do not take `flow-match-heun`; tested is that it comes nearer to where the flow leads "
            "than Euler's with as many forward passes.",
            "",
            "## Beyond the table",
            "",
            "- **Stable Diffusion 1.5** takes epsilon and v-prediction, `AutoencoderKL` and "
            "`AutoencoderTiny`, and models distilled with an embedded guidance scale (LCM).",
            "- **Stable Diffusion XL** is told that the picture was never scaled nor cropped: original and "
            "target size are the picture's own. An empty negative prompt is zeros where the model says so "
            "(`force_zeros_for_empty_prompt`). A VAE with `force_upcast` computes in float32 where the rest "
            "is float16.",
            "- **SDXL's refiner** starts from a finished picture, or does the last steps of a base model "
            "that [names it](../../how-to/models.md#sdxl-with-its-refiner). Then base and refiner are "
            "compared with the stock pair, under every scheduler but `heun`: there the stock pair takes one "
            "step twice, and ours is tested to be one way from noise to picture. A refiner aims at an "
            "aesthetic score of 6, and away from 2.5.",
            "- **FLUX.1** reads 512 tokens of a prompt (schnell 256); what does not fit is told in a note, "
            "as is that weights in a prompt count for nothing. dev, Fill and Kontext have their guidance "
            "built in: a negative prompt then counts for nothing, and a note says so. With schnell it is the "
            "stock pipelines' `true_cfg_scale`, at the cost of a second forward pass.",
            "- **FLUX.1 Kontext** sees the whole picture in whatever it does with one. In inpainting its "
            "prompt is an instruction, too, carried out inside the mask.",
            "- **Stable Diffusion 3** is `examples/05_family_sd3`, which [adds itself by a hook]"
            "(../../how-to/engine-plugins.md#a-model-family). Its stock inpainting forgets the VAE's shift "
            "in decoding: there latents are compared, not pictures.",
            "- **Seamless** pictures of FLUX.1: the VAE's convolutions continue at the opposite edge. The "
            "transformer has no edges that could; its picture is rolled by another distance at each step, so "
            "that no place is at the border for long. Tested is that, not that no seam is ever seen.",
            "- **From single files** Stable Diffusion 1.5, XL, their inpainting models, the refiner and "
            "FLUX.1 paint what the same weights paint from a folder, to the bit; a transformer in GGUF what "
            "its unpacked numbers paint. A base model in one file cannot name a refiner. "
            "[Which files](../../how-to/models-you-have.md#what-can-be-used).",
            "- **Controls**: [which test holds which stock pipeline](pipelines.md).",
            "- A soft mask has no stock pipeline to compare with; its own properties are tested.",
            "",
        ]
    )
