"""Which test holds ours to which stock pipeline that takes a control: of the table that a test checks."""

from __future__ import annotations

from tests.unit.engine.stock_pipelines import ELSEWHERE, HELD, MISSING


def page() -> str:
    """The page."""
    rows = [
        f"| `{one.name}` | {one.takes} | {', '.join(f'`{test}`' for test in one.tests)} |" for one in HELD
    ]
    left_out: dict[str, list[str]] = {}
    for folder, why in ELSEWHERE.items():
        left_out.setdefault(why, []).append(f"`{folder}`")
    return "\n".join(
        [
            "# Controls beside stock pipelines",
            "",
            "Every pipeline of diffusers for Stable Diffusion 1.5, SDXL and FLUX.1 that takes a control net, "
            "an adapter, a reference or a control image, and the test (below `tests/unit/engine`) in which "
            "ours paints the same: latents equal within 1e-5 of their largest value, for the same seed, in "
            "float32 on a CPU, with tiny random weights; and another picture, strength, prompt or seed moves "
            "them by a hundredth or more. Another test fails where the installed diffusers has such a "
            "pipeline that this table does not know.",
            "",
            "| pipeline | with | test |",
            "| --- | --- | --- |",
            *rows,
            "",
            "## What is not equal",
            "",
            *(f"- `{name}`: {why}." for name, why in MISSING.items()),
            "- **Several unmasked pictures of one IP-Adapter** the stock pipelines mix in one softmax, "
            "without a strength for each. Ours look at each apart, as they do with several adapters or masks "
            "([decision 26](../../decisions/0026-control-models-of-every-kind.md)).",
            "- **Redux** scales the prompt as well as the pictures in its stock pipeline; the two agree "
            "where the strengths add up to 1.",
            "- **Image to image of LCM** (`LatentConsistencyModelImg2ImgPipeline`) spreads all its steps "
            "over what the strength leaves. Ours leaves steps out, as every other stock pipeline does.",
            "",
            "## What is left out",
            "",
            "- Pipelines that diffusers calls deprecated, ControlNet-XS and BLIP-Diffusion among them.",
            *(f"- {', '.join(sorted(folders))}: {why}." for why, folders in left_out.items()),
            "",
        ]
    )
