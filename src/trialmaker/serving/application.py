"""The service's addresses and their handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trialmaker.model_store.versions import Version
from trialmaker.serving import decoding, openapi, pages, request_body, tensorflow_serving
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.metrics import Metrics
from trialmaker.serving.predictor import Model
from trialmaker.serving.served_model import ServedModel, served
from trialmaker.serving.settings import Settings

INLINE_JSON_BYTES = 200_000  # a smaller body is decoded on the event loop; a larger one takes some milliseconds
DECODER_THREADS = 2  # a large picture takes hundreds of megabytes
MAX_PENDING_DECODES = 64  # bodies that are decoded, or wait for it
AnswerForm = TypeVar("AnswerForm")  # what the form of the answer depends on
Decode = Callable[[], tuple[np.ndarray, AnswerForm]]  # images, float32 [N, H, W, C]; and the form of the answer
Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """The handlers of requests; until there is a model, those that need one answer with 503."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.model: ServedModel | None = None
        self.decoder_threads = ThreadPoolExecutor(DECODER_THREADS)
        self.pending_decodes = 0
        self.read_body = request_body.BodyReader(max_bytes=settings.max_body, seconds=settings.seconds)

    def serve(self, model: Model) -> None:
        """Answer with this model, which has answered once, from now on; requests that have begun end with the last."""
        self.model = served(model, self.settings.max_waiting, self.metrics.batch.observe)
        self.metrics.version.set(model.version.number)

    def describe(self, version: Version) -> None:
        """Tell another record of the version that is served."""
        assert self.model
        self.model = replace(self.model, version=version)

    def routes(self) -> list[Route]:
        """Return the routes of every address."""
        model = f"/v1/models/{self.settings.name}"
        versions = model + "/versions/{version}"
        gets: dict[str, Handler] = {
            "/": pages.handler("drawing"),
            "/docs": pages.handler("docs"),
            "/openapi.json": self.openapi,
            "/ping": self.readiness,  # MLflow's
            "/health/live": self.liveness,
            "/health/ready": self.readiness,
            "/metrics": self.prometheus_metrics,
            "/ModelMaker/model": self.describe_model,
            f"{model}/metadata": self.metadata,
            f"{versions}/metadata": self.metadata,
            model: self.status,
            versions: self.status,
        }
        posts: dict[str, Handler] = {
            "/ModelMaker/predict": self.predict,
            f"{model}:predict": self.predict_as_tensorflow_serving,
            f"{versions}:predict": self.predict_as_tensorflow_serving,
            "/invocations": self.predict_as_mlflow,
            "/ModelMaker/preview": self.preview,
        }
        routes = [Route(path, handler, methods=["POST"]) for path, handler in posts.items()]
        return routes + [Route(path, handler, methods=["GET"]) for path, handler in gets.items()]

    # ---- predictions

    async def predict(self, request: Request) -> Response:
        """Answer a request of the platform's: JSON, or a picture's file as ``multipart/form-data``."""
        model = self._loaded_model()
        decode, is_quick = await self._read_platform_request(request, model)
        probabilities, is_batch = await self._predict(model, decode, inline=is_quick)
        rows = [_labelled(model, row) for row in probabilities.tolist()]
        return _json({"success": True, "predictions": rows if is_batch else rows[0]})

    async def preview(self, request: Request) -> Response:
        """Answer a request of the platform's for one image; add the image as the model received it."""
        model = self._loaded_model()
        decode, _ = await self._read_platform_request(request, model)

        def decode_and_encode() -> tuple[np.ndarray, str]:
            images, _ = decode()
            if len(images) != 1:
                raise HTTPError(400, f"image: must be one image here, but got {len(images)}")
            return images, decoding.data_url(images[0])

        probabilities, image = await self._predict(model, decode_and_encode, inline=False)
        answer = _json({"success": True, "predictions": _labelled(model, probabilities[0].tolist()), "image": image})
        answer.headers["model-version"] = str(model.version.number)
        return answer

    async def _read_platform_request(self, request: Request, model: Model) -> tuple[Decode[bool], bool]:
        """Read a request of the platform's; return what decodes it, and whether that is quick."""
        is_json = request_body.body_format(request) == "json"
        body = await self.read_body(request)

        def decode() -> tuple[np.ndarray, bool]:
            if is_json:
                return decoding.decode_platform_request(body, model.input_shape)
            return self._decode_picture(request.headers["content-type"], body, model), False

        return decode, is_json and len(body) < INLINE_JSON_BYTES

    def _decode_picture(self, content_type: str, body: bytes, model: Model) -> np.ndarray:
        return decoding.decode_picture(
            request_body.multipart_file(content_type, body, "image"),
            model.input_shape,
            max_pixels=self.settings.max_pixels,
            light_on_dark=self.settings.invert and model.is_handwriting_model,
        )

    async def predict_as_tensorflow_serving(self, request: Request) -> Response:
        """Answer a predict request of TensorFlow Serving's REST API."""
        model = self._loaded_model()
        self._check_version(request, model)
        probabilities, by_rows = await self._predict_rows_or_columns(request, model)
        return Response(tensorflow_serving.encode_answer(probabilities, by_rows), media_type="application/json")

    async def predict_as_mlflow(self, request: Request) -> Response:
        """Answer as ``mlflow models serve`` does, whose two forms for arrays are TensorFlow Serving's."""
        probabilities, _ = await self._predict_rows_or_columns(request, self._loaded_model())
        answer = orjson.dumps({"predictions": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(answer, media_type="application/json")

    async def _predict_rows_or_columns(self, request: Request, model: ServedModel) -> tuple[np.ndarray, bool]:
        """Return the probabilities for a request in one of TensorFlow Serving's forms, and whether that is by rows."""
        body = await self.read_body(request)

        def decode() -> tuple[np.ndarray, bool]:
            return tensorflow_serving.decode_request(body, model.input_shape)

        return await self._predict(model, decode, inline=len(body) < INLINE_JSON_BYTES)

    async def _predict(
        self, model: ServedModel, decode: Decode[AnswerForm], *, inline: bool
    ) -> tuple[np.ndarray, AnswerForm]:
        """Decode a request and predict its images, within the time that a request has.

        Args:
            model: the one that the request began with.
            decode: called on the event loop where ``inline`` is true, else on a thread.
            inline: whether decoding is quick.

        Returns:
            probabilities, float32 [N, K]; and the second value of ``decode``.

        Raises:
            HTTPError: what ``decode`` raises; 503, too much at once; 504, the time is over; 400, no finite answer.
        """
        try:
            async with asyncio.timeout(self.settings.seconds):
                images, answer_form = decode() if inline else await self._decode_on_thread(decode)
                probabilities = await model.batcher(images)
        except TimeoutError:
            raise HTTPError(504, f"no answer within {self.settings.seconds:g} seconds; ask for fewer images") from None
        if not np.isfinite(probabilities).all():
            raise HTTPError(400, "the numbers are so large that the model's answer is none; they should lie in 0 to 1")
        return probabilities, answer_form

    async def _decode_on_thread(self, decode: Decode[AnswerForm]) -> tuple[np.ndarray, AnswerForm]:
        """Decode what takes long, while the event loop answers others."""
        if self.pending_decodes >= MAX_PENDING_DECODES:
            raise HTTPError(503, f"too many requests: {self.pending_decodes} bodies wait; try again", Retry_After="1")
        self.pending_decodes += 1
        future = asyncio.get_running_loop().run_in_executor(self.decoder_threads, decode)
        future.add_done_callback(self._count_decode)
        return await future

    def _count_decode(self, _: object) -> None:
        self.pending_decodes -= 1

    def _loaded_model(self) -> ServedModel:
        if self.model is None:
            raise HTTPError(503, "the model is being loaded; try again", Retry_After="1")
        return self.model

    # ---- about the model

    async def status(self, request: Request) -> Response:
        """Answer with the version's state, as TensorFlow Serving does."""
        model = self._loaded_model()
        self._check_version(request, model)
        return _json(tensorflow_serving.model_status(model))

    async def metadata(self, request: Request) -> Response:
        """Answer with the model's signature, as TensorFlow Serving does."""
        model = self._loaded_model()
        self._check_version(request, model)
        return _json(tensorflow_serving.model_metadata(model, self.settings.name))

    def _check_version(self, request: Request, model: Model) -> None:
        version = request.path_params.get("version", str(model.version.number))
        if version != str(model.version.number):
            raise HTTPError(404, f"Servable not found for request: Specific({self.settings.name}, {version})")

    async def describe_model(self, _: Request) -> Response:
        """Answer with what the page shows of the model."""
        return _json(self._loaded_model().description(self.settings.name, inverts=self.settings.invert))

    # ---- about the service

    async def liveness(self, _: Request) -> Response:
        """Answer that the process runs."""
        return _json({"status": "live"})

    async def readiness(self, _: Request) -> Response:
        """Answer that there is a model, or with 503."""
        self._loaded_model()
        return _json({"status": "ready"})

    async def prometheus_metrics(self, _: Request) -> Response:
        """Answer with the metrics in Prometheus' text format."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """Answer with the OpenAPI document."""
        shape = self.model.input_shape if self.model else (28, 28, 1)
        return _json(openapi.document(self.settings.name, self.settings.keys, shape))


def _labelled(model: Model, probabilities: list[float]) -> list[dict[str, Any]]:
    return [
        {"label": label, "probability": value} for label, value in zip(model.class_names, probabilities, strict=True)
    ]


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
