"""The ends of a job that need no device: inputs mapped and planned, results written."""

from __future__ import annotations

from pathlib import Path

from underpaint.engine.family import Assignment, Family
from underpaint.engine.pixels import Raster, write_raw
from underpaint.engine.preprocessing import Preprocessing
from underpaint.engine.provenance import file_sha256, sha256_of, weight_files
from underpaint.engine.registry import Families
from underpaint.engine.running import RunningJob
from underpaint.engine.screening import screen
from underpaint.engine.upscale.family import Upscaling
from underpaint.pixels.files import map_readonly
from underpaint.wire.images import format_of, layout_bytes, layout_for
from underpaint.worker_v1 import worker_service_pb2


def prepare_job(families: Families, job: RunningJob) -> None:
    """Maps a job's inputs and has its family plan it. Any thread."""
    request = job.request
    family: Family
    if request.spec.WhichOneof("operation") == "preprocess":
        family = Preprocessing(request.preprocessor)
    elif request.spec.WhichOneof("operation") == "upscale":
        upscaler = request.upscaler if request.HasField("upscaler") else None
        model = families.get(request.model) if request.HasField("model") else None
        family = Upscaling(upscaler, model, families.shelf, families.device, families.dtype)
    else:
        family = families.get(request.model)
    inputs = {}
    for blob in request.inputs:
        data = map_readonly(Path(blob.path), layout_bytes(blob.layout))
        layout = blob.layout
        inputs[blob.name] = Raster.over(
            data, format_of(layout), layout.width_px, layout.height_px, layout.stride_bytes
        )
    functions = tuple(request.postprocessors)
    assignment = Assignment(
        request.job,
        request.spec,
        inputs,
        functions,
        job.check,
        tuple(request.controls),
        tuple(request.loras),
        embeddings=tuple(request.embeddings),
        folder=Path(request.output_folder),
    )
    job.task = family.prepare(assignment)
    job.family = family


def finish_job(job: RunningJob) -> worker_service_pb2.Finished:
    """Makes a job's results and writes them into its output folder. Any thread.

    Raises `StorageFull`, `ContentRefused`, `PluginFailed`.
    """
    folder = Path(job.request.output_folder)
    outputs = []
    pictures = job.family.finish(job.task)
    job.written += [picture.file for picture in pictures if picture.file is not None]
    screen(pictures, job.task.resolved, job.request.picture_checks)
    for index, picture in enumerate(pictures):
        path = picture.file or folder / f"result-{index}.raw"
        if picture.file is None:
            job.written.append(path)
        height, width = picture.samples.shape[:2]
        outputs.append(
            worker_service_pb2.Output(
                file=path.name,
                layout=layout_for(picture.format, width, height),
                x_px=picture.x,
                y_px=picture.y,
                sha256=sha256_of(path) if picture.file else write_raw(path, picture.samples),
            )
        )
    return worker_service_pb2.Finished(
        outputs=outputs,
        notes=job.task.notes,
        model_sha256={**job.family.weights(), **_control_weights(job.request), **_lora_weights(job.request)},
        resolved=job.task.resolved,
    )


def _control_weights(request: worker_service_pb2.RunJobRequest) -> dict[str, str]:
    """Content hashes of the control models' weight files, by the model's name and the file's."""
    return {
        f"{control.name}/{path.name}": file_sha256(path)
        for control in request.controls
        for path in weight_files(Path(control.path))
    }


def _lora_weights(request: worker_service_pb2.RunJobRequest) -> dict[str, str]:
    """Content hashes of the LoRAs' and embeddings' files, by kind and name."""
    files = {f"lora/{lora.name}": lora.path for lora in request.loras}
    files |= {f"embedding/{one.name}": one.path for one in request.embeddings}
    return {name: file_sha256(Path(path)) for name, path in files.items()}
