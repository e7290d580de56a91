"""Prompts are read one forward pass of a text encoder a step, whatever there is to read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.unit.engine.memory.machine import Machine
from tests.unit.engine.stock import Case, Ours
from underpaint.types import StageKind
from underpaint.v1 import job_service_pb2

LONG = ", ".join(["old brick wall with green moss"] * 30)


def counted(ours: Ours) -> Counter[str]:
    """Counts what the encoders of a loaded model are called for."""
    calls: Counter[str] = Counter()
    for place, reader in enumerate(ours.family._readers()):
        for component in reader.components:
            name = f"{place} {component}"
            module = reader.module(component)
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


@pytest.mark.parametrize("model", ["plain", "sdxl", "sdxl-refined", "flux-schnell"])
def test_no_step_runs_more_than_one_forward_pass(models: Path, model: str) -> None:
    ours = Ours(models / model)
    ours.family.load()
    calls = counted(ours)
    scheduler = "flow-match-euler" if model.startswith("flux") else "euler"
    task = ours.prepare(Case("txt2img", prompt=f"{LONG}, (water:1.4)", negative="sky", scheduler=scheduler))
    seen = []
    while not task.ready_to_finish:
        kind, before = task.plan[task.stage_index].kind, calls.total()
        ours.family.step([task])
        if kind is StageKind.ENCODING_TEXT:
            seen.append(calls.total() - before)
    assert len(seen) > 1 and set(seen[:-1]) == {1} and seen[-1] <= 1
    assert calls.total() == sum(seen)
    # Each encoder read each of the prompts, once.
    assert set(calls.values()) <= {1, 2, 3}


def test_read_in_steps_or_at_once_a_prompt_is_the_same(models: Path) -> None:
    case = Case("txt2img", prompt=f"{LONG}, (water:1.4)", negative="sky", scheduler="euler")
    ours, other = Ours(models / "sdxl"), Ours(models / "sdxl")
    task = ours.run(case)
    text, negative = other.family._parts.text.encode_both(case.prompt, case.negative)
    assert task.text is not None and task.negative is not None
    assert torch.equal(task.text.hidden, text.hidden)
    assert torch.equal(task.negative.hidden, negative.hidden)
    assert task.read_so_far == {}
    # What was read once is not read again: one step says so.
    again = ours.prepare(case)
    steps = 0
    while again.plan[again.stage_index].kind in (StageKind.LOADING, StageKind.ENCODING_TEXT):
        steps += again.plan[again.stage_index].kind is StageKind.ENCODING_TEXT
        ours.family.step([again])
    assert steps == 1


def test_a_job_that_is_cancelled_while_its_prompts_are_read_reads_no_further(
    tmp_path: Path, models: Path
) -> None:
    machine = Machine(tmp_path)

    def cancel() -> None:
        task = machine.loop._jobs["job"].task
        if task.plan[task.stage_index].kind is StageKind.ENCODING_TEXT and task.stage_step == 1:
            machine.loop.cancel("job")

    machine.paint("job", models / "plain", prompt=LONG, negative="sky", after_step=cancel)
    outcome = machine.outcome("job")
    assert outcome.cancelled is not None, outcome.error
    stage, step = outcome.steps[-1]
    assert outcome.planned[stage].kind == job_service_pb2.STAGE_KIND_ENCODING_TEXT
    assert step == 1 < outcome.planned[stage].steps
    assert machine.loop.stop(60)
