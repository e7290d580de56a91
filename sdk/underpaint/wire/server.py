"""The daemon's description as protobuf, and back."""

from __future__ import annotations

from underpaint.types import (
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    ServerInfo,
    WorkerInfo,
)
from underpaint.v1 import server_service_pb2
from underpaint.wire.parameters import parameters_from, parameters_to
from underpaint.wire.plain import time_from


def server_info_from(message: server_service_pb2.GetServerInfoResponse) -> ServerInfo:
    """The daemon as it describes itself."""
    return ServerInfo(
        version=message.version,
        protocol_minimum=message.protocol_minimum,
        protocol_maximum=message.protocol_maximum,
        pid=message.pid,
        started=time_from(message, "start_time"),
        workers=tuple(worker_from(worker) for worker in message.workers),
        capabilities=tuple(message.capabilities),
        active_jobs=message.active_jobs,
    )


def server_info_to_message(info: ServerInfo) -> server_service_pb2.GetServerInfoResponse:
    """The daemon's description, as it travels."""
    message = server_service_pb2.GetServerInfoResponse(
        version=info.version,
        protocol_minimum=info.protocol_minimum,
        protocol_maximum=info.protocol_maximum,
        pid=info.pid,
        workers=[worker_to_message(worker) for worker in info.workers],
        capabilities=info.capabilities,
        active_jobs=info.active_jobs,
    )
    if info.started is not None:
        message.start_time.FromDatetime(info.started)
    return message


def worker_from(message: server_service_pb2.Worker) -> WorkerInfo:
    """A process that owns one device."""
    return WorkerInfo(message.device, message.state, message.pid, message.problem, message.restarts)


def worker_to_message(info: WorkerInfo) -> server_service_pb2.Worker:
    """A worker, as it travels."""
    return server_service_pb2.Worker(
        device=info.device, state=info.state, pid=info.pid, problem=info.problem, restarts=info.restarts
    )


def plugin_from(message: server_service_pb2.Plugin) -> PluginInfo:
    """A plug-in of the daemon's side."""
    return PluginInfo(
        message.name, message.distribution, tuple(message.hooks), message.problem, message.blocked
    )


def plugin_to_message(info: PluginInfo) -> server_service_pb2.Plugin:
    """A plug-in, as it travels."""
    return server_service_pb2.Plugin(
        name=info.name,
        distribution=info.distribution,
        hooks=info.hooks,
        problem=info.problem,
        blocked=info.blocked,
    )


def preprocessor_from(message: server_service_pb2.Preprocessor) -> PreprocessorInfo:
    """A preprocessor."""
    return PreprocessorInfo(
        name=message.name,
        title=message.title,
        role=message.role,
        parameters=parameters_from(message.parameters),
        problem=message.problem,
    )


def preprocessor_to_message(info: PreprocessorInfo) -> server_service_pb2.Preprocessor:
    """A preprocessor, as it travels."""
    return server_service_pb2.Preprocessor(
        name=info.name,
        title=info.title,
        role=info.role,
        parameters=parameters_to(info.parameters),
        problem=info.problem,
    )


def postprocessor_from(message: server_service_pb2.Postprocessor) -> PostprocessorInfo:
    """A post-processor."""
    return PostprocessorInfo(name=message.name, title=message.title, operations=tuple(message.operations))


def postprocessor_to_message(info: PostprocessorInfo) -> server_service_pb2.Postprocessor:
    """A post-processor, as it travels."""
    return server_service_pb2.Postprocessor(name=info.name, title=info.title, operations=info.operations)
