"""The Open Inference Protocol v2, which KServe, Seldon and Triton clients speak."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.answer.answering import lineup_for
from service.ledger.answers import Answer
from service.parts import PartsDep, json_response
from service.protocols.asking import ask, read_off_loop
from service.protocols.errors import UnknownModelError
from service.protocols.inference import InferRequest, read_inference
from service.protocols.outputs import describe_inputs, describe_outputs, to_outputs, write_answer
from service.routes.health import get_live, get_ready
from service.versions.serving import Serving

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
JSON_LENGTH = "Inference-Header-Content-Length"
router = APIRouter()


def get_served(request: Request, parts: PartsDep, name: str) -> Serving:
    """Who answers, if the path names it.

    Raises:
        UnknownModelError, VersionNotServedError: it names another.
    """
    version = request.path_params.get("version")
    if name != parts.settings.model_name:
        raise UnknownModelError(name, parts.settings.model_name)
    return lineup_for(version, parts.watcher.require_lineup()).champion


Served = Annotated[Serving, Depends(get_served)]


@router.get("/v2/health/live", summary="Open Inference: whether the server runs")
async def get_v2_live(parts: PartsDep) -> Response:
    status = (await get_live(parts)).status_code
    return json_response({"live": status == 200}, status)


@router.get("/v2/health/ready", summary="Open Inference: whether the server can answer")
async def get_v2_ready(parts: PartsDep) -> Response:
    status = (await get_ready(parts)).status_code
    return json_response({"ready": status == 200}, status)


@router.get("/v2", summary="Open Inference: what the server is")
async def get_server(parts: PartsDep) -> Response:
    serving = parts.watcher.serving
    return json_response(
        {
            "name": "perennial",
            "version": serving.version if serving else "no champion yet",
            "extensions": ["binary_tensor_data"],
        }
    )


@router.get(MODEL, summary="Open Inference: the model's inputs and outputs")
@router.get(
    VERSION, name="get_model_version", summary="Open Inference: inputs and outputs of a version"
)
async def get_model(served: Served, name: str) -> Response:
    return json_response(
        {
            "name": name,
            "versions": [served.version],
            "platform": "perennial_bundle",
            "inputs": describe_inputs(served.schema),
            "outputs": describe_outputs(served.schema.target),
        }
    )


@router.get(MODEL + "/ready", summary="Open Inference: whether the model can answer")
@router.get(
    VERSION + "/ready",
    name="get_model_version_ready",
    summary="Open Inference: whether a version can answer",
)
async def get_model_ready(served: Served, name: str, parts: PartsDep) -> Response:
    status = (await get_ready(parts)).status_code
    return json_response({"name": name, "ready": status == 200}, status)


@router.post(MODEL + "/infer", summary="Open Inference: predict one or many rows")
@router.post(
    VERSION + "/infer",
    name="post_model_version_infer",
    summary="Open Inference: predict with a version",
)
async def post_infer(request: Request, served: Served, name: str, parts: PartsDep) -> Response:
    body, length = await request.body(), request.headers.get(JSON_LENGTH)
    schema, max_rows = served.schema, parts.settings.max_rows
    asked = await read_off_loop(len(body), lambda: read_inference(body, length, schema, max_rows))
    answer = await ask(request, parts, asked.asked, request.path_params.get("version"))
    content, json_size = write_answer(
        to_outputs(answer, schema.target),
        asked.request.outputs,
        binary=asked.request.parameters.get("binary_data_output") is True,
        head=_head(name, answer, asked.request),
    )
    if json_size is None:
        return Response(content, media_type="application/json")
    headers = {JSON_LENGTH: str(json_size)}
    return Response(content, headers=headers, media_type="application/octet-stream")


def _head(name: str, answer: Answer, request: InferRequest) -> dict[str, str]:
    head = {"model_name": name, "model_version": answer.model_version}
    return head if request.id is None else {**head, "id": request.id}
