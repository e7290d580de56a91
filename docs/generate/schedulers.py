"""Schedulers, and what can be set of them: made of what the families describe."""

from __future__ import annotations

from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS, SCHEDULERS
from underpaint.engine.families.scheduler_parameters import described


def page() -> str:
    """The page."""
    lines = [
        "# Schedulers",
        "",
        "What can be set of each scheduler, with `--scheduler-option KEY=VALUE`, "
        "`GenerateRequest.scheduler_parameters` or `JobSpec.scheduler_parameters`. `Model.scheduler_info` "
        "tells the same. Each is compared with what diffusers does under the same setting. A switch takes 1; "
        "0 leaves it to the model's own configuration.",
    ]
    for names, title in ((SCHEDULERS, "Stable Diffusion"), (FLOW_SCHEDULERS, "FLUX.1")):
        lines += ["", f"## {title}", "", "| scheduler | key | default | range | what it is |"]
        lines.append("| --- | --- | --- | --- | --- |")
        for info in described(names):
            for one in info.parameters:
                span = f"{one.minimum:g} to {one.maximum:g}"
                cells = (
                    f"{info.title} (`{info.name}`)",
                    f"`{one.name}`",
                    f"{one.default:g}",
                    span,
                    one.title,
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
