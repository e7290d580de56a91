"""Named presets for few steps: what the makers of LCM, Lightning, Hyper-SD and Turbo tell one to set."""

from __future__ import annotations

from underpaint.hookspecs import Preset, PresetLora

_TRAILING = {"trailing": 1.0}


def _lcm(repository: str, pattern: str) -> Preset:
    return Preset(
        name="lcm",
        title="LCM, 4 steps",
        scheduler="lcm",
        steps=4,
        lora=PresetLora(pattern, "pytorch_lora_weights.safetensors", repository),
    )


def _hyper(steps: int, base: str) -> Preset:
    return Preset(
        name=f"hyper-{steps}",
        title=f"Hyper-SD, {steps} steps",
        scheduler="ddim",
        scheduler_parameters=_TRAILING,
        steps=steps,
        lora=PresetLora(
            rf"hyper.?{base}\D(.*\D)?{steps}.?steps?",
            f"Hyper-{base}-{steps}steps-lora.safetensors",
            "ByteDance/Hyper-SD",
        ),
    )


def _lightning(steps: int) -> Preset:
    return Preset(
        name=f"lightning-{steps}",
        title=f"SDXL-Lightning, {steps} steps",
        scheduler="euler",
        scheduler_parameters=_TRAILING,
        steps=steps,
        lora=PresetLora(
            rf"lightning.*(?<!\d){steps}.?steps?",
            f"sdxl_lightning_{steps}step_lora.safetensors",
            "ByteDance/SDXL-Lightning",
        ),
    )


SD15 = (
    _lcm("latent-consistency/lcm-lora-sdv1-5", r"lcm.*(sd.?v?1|sd15)|^lcm.?lora$"),
    _hyper(4, "SD15"),
    _hyper(8, "SD15"),
)
SDXL = (
    _lcm("latent-consistency/lcm-lora-sdxl", r"lcm.*xl|^lcm.?lora$"),
    _lightning(4),
    _lightning(8),
    _hyper(4, "SDXL"),
    _hyper(8, "SDXL"),
    Preset(
        name="turbo",
        title="SDXL-Turbo and models made from it, 4 steps",
        scheduler="euler-a",
        scheduler_parameters=_TRAILING,
        steps=4,
    ),
)
FLUX = (
    Preset(
        name="hyper-8",
        title="Hyper-SD for FLUX.1 dev, 8 steps",
        scheduler="flow-match-euler",
        steps=8,
        guidance_scale=3.5,
        lora=PresetLora(
            r"hyper.?flux.*(?<!\d)8.?steps?",
            "Hyper-FLUX.1-dev-8steps-lora.safetensors",
            "ByteDance/Hyper-SD",
            strength=0.125,
        ),
    ),
    Preset(
        name="turbo-8",
        title="FLUX.1 Turbo Alpha, 8 steps",
        scheduler="flow-match-euler",
        steps=8,
        guidance_scale=3.5,
        lora=PresetLora(
            r"flux.*turbo", "diffusion_pytorch_model.safetensors", "alimama-creative/FLUX.1-Turbo-Alpha"
        ),
    ),
)
