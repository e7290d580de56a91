"""What a person may set of each scheduler, described without torch; `underpaint.engine.schedulers` obeys."""

from __future__ import annotations

from collections.abc import Iterable

from underpaint.types import Parameter, SchedulerInfo


def _switch(name: str, title: str) -> Parameter:
    return Parameter(name=name, title=title, default=0.0, minimum=0.0, maximum=1.0, step=1.0)


TRAILING = _switch("trailing", "Count steps back from pure noise (0: as the model says)")
KARRAS = _switch("karras", "Spacing of Karras et al. 2022 (0: as the model says)")
ORDER = Parameter(
    name="order",
    title="Order: steps that are looked back on",
    default=2.0,
    minimum=1.0,
    maximum=3.0,
    step=1.0,
)
ETA = Parameter(name="eta", title="Fresh noise (0: none, 1: as DDPM)", default=0.0, minimum=0.0, maximum=1.0)
CHURN = Parameter(
    name="churn", title="Churn: noise put in again, over all steps", default=0.0, minimum=0.0, maximum=100.0
)
CHURN_NOISE = Parameter(
    name="churn_noise", title="Loudness of that noise", default=1.0, minimum=0.9, maximum=1.1
)
SHIFT = Parameter(
    name="shift", title="Shift towards noise (0: as the model says)", default=0.0, minimum=0.0, maximum=20.0
)
ORIGINAL_STEPS = Parameter(
    name="original_steps",
    title="Steps that the model was distilled from",
    default=50.0,
    minimum=10.0,
    maximum=200.0,
    step=1.0,
)
_INFOS = {
    info.name: info
    for info in (
        SchedulerInfo("ddim", "DDIM", (ETA, TRAILING)),
        SchedulerInfo("euler", "Euler", (KARRAS, TRAILING, CHURN, CHURN_NOISE)),
        SchedulerInfo("euler-a", "Euler a", (TRAILING,)),
        SchedulerInfo("dpmpp-2m", "DPM++ 2M", (KARRAS, ORDER, TRAILING)),
        SchedulerInfo("dpmpp-2m-karras", "DPM++ 2M Karras", (ORDER, TRAILING)),
        SchedulerInfo("unipc", "UniPC", (KARRAS, ORDER, TRAILING)),
        SchedulerInfo("heun", "Heun", (KARRAS, TRAILING)),
        SchedulerInfo("lcm", "LCM", (ORIGINAL_STEPS,)),
        SchedulerInfo("dpmpp-sde-karras", "DPM++ SDE Karras", (TRAILING,)),
        SchedulerInfo("flow-match-euler", "Flow-match Euler", (SHIFT, KARRAS)),
        SchedulerInfo("flow-match-heun", "Flow-match Heun", (SHIFT,)),
    )
}


def described(names: Iterable[str]) -> tuple[SchedulerInfo, ...]:
    """These schedulers, in order."""
    return tuple(_INFOS[name] for name in names)
