"""TensorFlow Serving's REST API: https://www.tensorflow.org/tfx/serving/api_rest."""

from typing import Any

import numpy as np
import orjson

from trialmaker.serving import decoding
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.predictor import Model

SIGNATURE = "serving_default"
INPUT = "images"
Json = dict[str, Any]


def decode_request(body: bytes, shape: decoding.Shape) -> tuple[np.ndarray, bool]:
    """Decode a predict request.

    Returns:
        images, float32 [N, H, W, C]; and whether they came by rows (``instances``), not by columns (``inputs``).

    Raises:
        HTTPError: 400, neither or both are there, or another signature is named.
    """
    request = decoding.parse_object(body)
    if (signature := request.get("signature_name", SIGNATURE)) != SIGNATURE:
        name = signature if isinstance(signature, str) else "no text"
        raise HTTPError(400, f'Serving signature name: "{name}" not found in signature def; there is {SIGNATURE}')
    by_rows = "instances" in request
    if by_rows == ("inputs" in request):
        raise HTTPError(400, 'the request must have either "instances" or "inputs"')
    name = "instances" if by_rows else "inputs"
    value = _rows(request[name]) if by_rows else _input_value(request[name], name)
    images, is_batch = decoding.decode_numbers(value, shape, name)
    if not is_batch:
        raise HTTPError(400, f"{name}: must be a list of images, but is one; put it into a list")
    return images, by_rows


def encode_answer(probabilities: np.ndarray, by_rows: bool) -> bytes:
    """Return the JSON of a predict answer, in the form of its request.

    Args:
        probabilities: float32 [N, K].
        by_rows: ``predictions``, an object for each image; else ``outputs``, a list for each output.
    """
    classes = probabilities.argmax(axis=1)
    answer: Json = {"outputs": {"probabilities": probabilities, "classes": classes}}
    if by_rows:
        rows = zip(probabilities, classes.tolist(), strict=True)
        answer = {"predictions": [{"probabilities": row, "classes": number} for row, number in rows]}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def model_status(model: Model) -> Json:
    """Return the state of the one version that is served."""
    state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"model_version_status": [{"version": str(model.version.number), **state}]}


def model_metadata(model: Model, name: str) -> Json:
    """Return the model's signature as TensorFlow Serving shows it."""

    def tensor(dtype: str, tensor_name: str, *sizes: int) -> Json:
        shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": tensor_name}

    signature = {
        "inputs": {INPUT: tensor("DT_FLOAT", f"{SIGNATURE}_{INPUT}:0", -1, *model.input_shape)},
        "outputs": {
            "classes": tensor("DT_INT64", "StatefulPartitionedCall:0", -1),
            "probabilities": tensor("DT_FLOAT", "StatefulPartitionedCall:1", -1, len(model.class_names)),
        },
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    spec = {"name": name, "signature_name": "", "version": str(model.version.number)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}}}


def _rows(value: Any) -> Any:
    """Return the value of ``instances`` without the input's name, which each row may carry."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_input_value(row, "instances") for row in value]
    return value


def _input_value(value: Any, name: str) -> Any:
    """Return the value of the model's one input, which may stand under the input's name."""
    if not isinstance(value, dict):
        return value
    if set(value) != {INPUT}:
        raise HTTPError(400, f"{name}: the model's one input is {INPUT}, but got {', '.join(value) or 'none'}")
    return value[INPUT]
