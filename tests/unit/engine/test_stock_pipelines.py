"""No stock pipeline for Stable Diffusion 1.5, SDXL or FLUX.1 takes a control that our table does not know."""

from __future__ import annotations

import ast
from pathlib import Path

import diffusers
import pytest

from tests.unit.engine.stock_pipelines import ELSEWHERE, HELD, MISSING, Held, takers

HERE = Path(__file__).parent


def test_every_stock_pipeline_that_takes_a_control_is_in_the_table() -> None:
    known = {one.name for one in HELD} | MISSING.keys()
    found = list(takers())
    assert [one for one in found if one.folder not in ELSEWHERE and one.name not in known] == []
    # Nor does the table name what diffusers no longer has. Redux takes a picture under another name.
    assert known - {one.name for one in found} == {"FluxPriorReduxPipeline"}
    assert ELSEWHERE.keys() - {one.folder for one in found} == set()
    assert hasattr(diffusers, "FluxPriorReduxPipeline")


@pytest.mark.parametrize("held", HELD, ids=lambda held: held.name)
def test_the_tests_that_it_names_are_there_and_run_that_pipeline(held: Held) -> None:
    for test in held.tests:
        module, _, function = test.partition("::")
        text = (HERE / f"{module}.py").read_text("utf-8")
        assert function in {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        helpers = [name for name in ("stock", "flux_stock") if f"tests.unit.engine.{name} import" in text]
        read = text + "".join((HERE / f"{name}.py").read_text("utf-8") for name in helpers)
        assert f"diffusers.{held.name}" in read, test


def test_a_pipeline_that_diffusers_grows_is_found_and_a_deprecated_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "flux").mkdir()
    (tmp_path / "deprecated" / "old").mkdir(parents=True)
    call = "    def __call__(self, prompt, {}): ...\n"
    grown = f"class FluxSketchPipeline(DiffusionPipeline):\n{call.format('sketch_adapter_scale=1.0')}"
    plain = f"class FluxPlainPipeline(DiffusionPipeline):\n{call.format('controllable=True')}"
    leaving = f"class FluxOldPipeline(DeprecatedPipelineMixin):\n{call.format('control_image=None')}"
    (tmp_path / "flux" / "pipeline_flux_sketch.py").write_text(f"{grown}\n\n{plain}\n\n{leaving}", "utf-8")
    (tmp_path / "deprecated" / "old" / "pipeline_old.py").write_text(grown, "utf-8")
    assert [(one.name, one.folder) for one in takers(tmp_path)] == [("FluxSketchPipeline", "flux")]
