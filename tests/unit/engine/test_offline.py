"""Nothing that finds or loads a model asks the network, in a process that has none and notes attempts."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from safetensors.torch import save_file

from tests.support import original_names as original
from tests.support import weight_files as files
from tests.support.single_files import source, weights, write_checkpoint, write_parts
from tests.support.weight_files import write_t5_tokenizer, write_tokenizer, write_weights
from tests.unit.engine.stock import ENGINES, family_of
from underpaint.cli import sandbox
from underpaint.engine.families.single_file import CONFIG
from underpaint.worker_v1.worker_service_pb2 import ModelSource

CHILD = """
import json, sys
asked = []

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked.append([event, str(arguments[1:2] or arguments)])
        raise OSError("there is no network here")

sys.addaudithook(note)
from importlib import import_module
from pathlib import Path
from underpaint.daemon.catalog import Catalog
from underpaint.daemon.plugins import Plugins
from underpaint.engine.residency import Shelf
from underpaint.worker_v1.worker_service_pb2 import ModelSource

orders = json.loads(Path(sys.argv[1]).read_text())
found = Catalog([Path(root) for root in orders["roots"]]).scan(Plugins(installed_models=False))
usable = [model.name for model in found if model.traits is not None]
loaded = {}
for name, (engine, described) in orders["models"].items():
    module, _, attribute = engine.partition(":")
    family = getattr(import_module(module), attribute)(
        ModelSource.FromString(bytes.fromhex(described)), Shelf(), "cpu", "float32"
    )
    family.load()
    loaded[name] = family.loaded
before = list(asked)
try:
    import socket
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError as error:
    refused = str(error)
print(json.dumps({"usable": usable, "loaded": loaded, "asked": before, "refused": refused}))
"""


def _merges(file: Path) -> Path:
    """A list of merges as packages carry it. It is loaded only: the tiny encoders know other words."""
    file.write_bytes(gzip.compress(b"#version: 0.2\nm o\ns s</w>\nmo ss</w>"))
    return file


def _described(models: Path, place: Path) -> dict[str, ModelSource]:
    """One of each kind of model that is loaded in its own way."""
    made: dict[str, ModelSource] = {}
    for name in ("plain", "inpaint", "sdxl", "sdxl-refiner", "flux-dev"):
        folder = models / name
        made[f"{name}, a folder"] = ModelSource(name=name, path=str(folder))
        made[f"{name}, one file"] = source(folder, write_checkpoint(folder, place / f"{name}.safetensors"))
    (place / "apart").mkdir()
    parts = write_parts(models / "flux-schnell", place / "apart")
    made["flux-schnell, four files"] = source(models / "flux-schnell", parts["transformer"], parts)
    vae = original.vae(weights(models / "plain", "vae"), 4, "")
    save_file({name: tensor.contiguous() for name, tensor in vae.items()}, place / "vae.safetensors")
    chosen = {"vae": str(place / "vae.safetensors"), CONFIG: str(models / "plain")}
    made["plain, another VAE"] = ModelSource(name="v", path=str(models / "plain"), components=chosen)
    merges = source(models / "plain", place / "plain.safetensors")
    merges.components["tokenizer"] = str(_merges(place / "merges.txt.gz"))
    made["plain, a package's tokenizer"] = merges
    if packed := _packed(models / "flux-dev", place):
        made["flux-dev, GGUF"] = packed
    return made


def _packed(folder: Path, place: Path) -> ModelSource | None:
    import gguf

    writer = gguf.GGUFWriter(place / "flux.gguf", "flux")
    for name, tensor in original.flux(weights(folder, "transformer")).items():
        kind = gguf.GGMLQuantizationType.BF16 if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(tensor.float().numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (place / "packed").mkdir()
    parts = write_parts(folder, place / "packed")
    file = place / "flux.gguf"
    shutil.copy(folder / "underpaint.json", place / "flux.underpaint.json")
    return source(folder, file, {**parts, "transformer": file})


def _comfyui(root: Path) -> Path:
    write_tokenizer(root / "comfy" / "sd1_tokenizer")
    write_t5_tokenizer(root / "comfy" / "text_encoders" / "t5_tokenizer")
    for name, shapes in (
        ("checkpoints/photo", files.SD15),
        ("checkpoints/xl", files.SDXL),
        ("diffusion_models/flux1-dev", files.FLUX_DEV),
        ("vae/ae", files.FLUX_VAE),
        ("text_encoders/clip_l", files.CLIP_L),
        ("text_encoders/t5xxl", files.T5_XXL),
    ):
        write_weights(root / "models" / f"{name}.safetensors", shapes)
    return root


def test_finding_and_loading_each_kind_of_model_asks_nobody(models: Path, tmp_path: Path) -> None:
    described = _described(models, tmp_path)
    engines = {name: ENGINES[_family(models, one)] for name, one in described.items()}
    orders = {
        "roots": [str(_comfyui(tmp_path / "ui")), str(models)],
        "models": {
            name: (f"{engines[name].__module__}:{engines[name].__name__}", one.SerializeToString().hex())
            for name, one in described.items()
        },
    }
    (tmp_path / "orders.json").write_text(json.dumps(orders))
    environ = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    done = subprocess.run(
        [*sandbox.without_network(), sys.executable, "-c", CHILD, str(tmp_path / "orders.json")],
        capture_output=True,
        text=True,
        env={**environ, "HF_HOME": str(tmp_path / "empty")},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["asked"] == []
    # The one deliberate attempt is noticed, so others would have been.
    assert told["refused"] == "there is no network here"
    assert told["loaded"] == dict.fromkeys(described, True)
    assert {"photo", "xl", "transformer:flux1-dev", "plain", "sdxl", "flux-dev"} <= set(told["usable"])


def _family(models: Path, one: ModelSource) -> str:
    home = one.components.get(CONFIG) or one.path
    return family_of(Path(home))
