"""Jobs driven step by step, without a loop: which steps controls count in, and which jobs share one."""

from __future__ import annotations

import torch

from tests.unit.engine.stock import Ours
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.types import StageKind


def counted_and_equal(ours: Ours, given: Assignment, free: Assignment) -> tuple[list[int], list[bool]]:
    """Steps in which a control counts, and whether the latents after each are those of the job without."""
    task, other = ours.family.prepare(given), ours.family.prepare(free)
    counted, equal = [], []
    while not task.ready_to_finish:
        denoising = task.plan[task.stage_index].kind is StageKind.DENOISING
        if denoising and task.steered_by:
            counted.append(task.stage_step)
        ours.family.step([task])
        if denoising:
            while other.current.sampler.done < task.current.sampler.done:
                ours.family.step([other])
            assert task.current.latents is not None and other.current.latents is not None
            equal.append(torch.equal(task.current.latents, other.current.latents))
    return counted, equal


def run_together(ours: Ours, tasks: list[DiffusionTask]) -> set[frozenset[int]]:
    """Runs jobs that share what steps they can; which of them denoised together, by their number."""
    shared: set[frozenset[int]] = set()
    while not all(task.ready_to_finish for task in tasks):
        waiting = [task for task in tasks if not task.ready_to_finish]
        early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
        leader = (early or waiting)[0]
        bucket = ours.family.bucket(leader)
        group = [task for task in waiting if ours.family.bucket(task) == bucket]
        if leader.plan[leader.stage_index].kind is StageKind.DENOISING:
            shared.add(frozenset(tasks.index(task) for task in group))
            assert len({tuple(one.folder for one in task.steered_by) for task in group}) == 1
        ours.family.step(group)
    return shared
