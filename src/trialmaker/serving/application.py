"""The service's addresses and their handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trialmaker.model_store.versions import Version
from trialmaker.serving import openapi, pages, tensorflow_serving
from trialmaker.serving.answers import encode, json_answer, labelled, platform_answer
from trialmaker.serving.decode_task import Decoded
from trialmaker.serving.decoder_pool import DecoderPool
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.memory_budget import MemoryBudget
from trialmaker.serving.metrics import Metrics
from trialmaker.serving.predictor import Model
from trialmaker.serving.request_decoding import ReadRequest
from trialmaker.serving.served_model import ServedModel, served
from trialmaker.serving.settings import Settings

Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """The handlers of requests; until there is a model, those that need one answer with 503."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.model: ServedModel | None = None
        self.memory = MemoryBudget(settings.max_body)
        self.pool = DecoderPool(settings.max_waiting)

    def serve(self, model: Model) -> None:
        """Answer with this model, which has answered once, from now on; requests that have begun end with the last."""
        self.model = served(model, self.settings, self.pool, self.metrics.batch.observe)
        self.metrics.version.set(model.version.number)

    def describe(self, version: Version) -> None:
        """Tell another record of the version that is served."""
        assert self.model
        self.model = replace(self.model, version=version)

    async def start_decoder(self) -> None:
        """Start the processes that decode before the first picture comes."""
        with suppress(OSError):  # then the first picture's answer says so
            await self.pool.start()

    async def close(self) -> None:
        """End the processes that decode."""
        await self.pool.close()

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
        routes = [Route(path, self._accounted(handler), methods=["POST"]) for path, handler in posts.items()]
        return routes + [Route(path, handler, methods=["GET"]) for path, handler in gets.items()]

    # ---- predictions

    async def predict(self, request: Request) -> Response:
        """Answer a request of the platform's: JSON, or a picture's file as ``multipart/form-data``."""
        model = self._loaded_model()
        decoded, probabilities = await self._predict(model, request, await model.decoder.read_platform(request))
        return await encode(lambda: platform_answer(model, probabilities, decoded.form), len(probabilities))

    async def preview(self, request: Request) -> Response:
        """Answer a request of the platform's for one image; add the image as the model received it."""
        model = self._loaded_model()
        read = await model.decoder.read_platform(request, with_preview=True)
        decoded, probabilities = await self._predict(model, request, read)
        predictions = labelled(model, probabilities[0].tolist())
        answer = json_answer({"success": True, "predictions": predictions, "image": decoded.preview})
        answer.headers["model-version"] = str(model.version.number)
        return answer

    async def predict_as_tensorflow_serving(self, request: Request) -> Response:
        """Answer a predict request of TensorFlow Serving's REST API."""
        model = self._loaded_model()
        self._check_version(request, model)
        decoded, probabilities = await self._predict(model, request, await model.decoder.read_rows(request))
        return await encode(lambda: tensorflow_serving.encode_answer(probabilities, decoded.form), len(probabilities))

    async def predict_as_mlflow(self, request: Request) -> Response:
        """Answer as ``mlflow models serve`` does, whose two forms for arrays are TensorFlow Serving's."""
        model = self._loaded_model()
        _, probabilities = await self._predict(model, request, await model.decoder.read_rows(request))
        option = orjson.OPT_SERIALIZE_NUMPY
        return await encode(lambda: orjson.dumps({"predictions": probabilities}, option=option), len(probabilities))

    async def _predict(self, model: ServedModel, request: Request, read: ReadRequest) -> tuple[Decoded, np.ndarray]:
        """Decode a request and predict its images, within the time that a request has.

        Args:
            model: the one that the request began with.
            request: whose memory counts.
            read: what came.

        Returns:
            what was decoded; and probabilities, float32 [N, K].

        Raises:
            HTTPError: what decoding says; 503, too much at once; 504, the time is over; 400, no finite answer.
        """
        seconds = self.settings.seconds
        try:
            if read.is_quick:  # its only wait is for the model, which the batcher limits at a lower cost
                decoded = model.decoder.decode_now(read)
                probabilities = await model.batcher(decoded.images, seconds)
            else:
                async with asyncio.timeout(seconds):
                    decoded = await model.decoder.decode(request, read)
                    probabilities = await model.batcher(decoded.images)
        except TimeoutError:
            raise HTTPError(504, f"no answer within {seconds:g} seconds; ask for fewer images") from None
        if not np.isfinite(probabilities).all():
            raise HTTPError(400, "the numbers are so large that the model's answer is none; they should lie in 0 to 1")
        return decoded, probabilities

    def _accounted(self, handler: Handler) -> Handler:
        """Return a handler whose request counts among those that share the memory, until it is answered."""

        async def answer(request: Request) -> Response:
            with self.memory.account(request):
                return await handler(request)

        return answer

    def _loaded_model(self) -> ServedModel:
        if self.model is None:
            raise HTTPError(503, "the model is being loaded; try again", Retry_After="1")
        return self.model

    # ---- about the model

    async def status(self, request: Request) -> Response:
        """Answer with the version's state, as TensorFlow Serving does."""
        model = self._loaded_model()
        self._check_version(request, model)
        return json_answer(tensorflow_serving.model_status(model))

    async def metadata(self, request: Request) -> Response:
        """Answer with the model's signature, as TensorFlow Serving does."""
        model = self._loaded_model()
        self._check_version(request, model)
        return json_answer(tensorflow_serving.model_metadata(model, self.settings.name))

    def _check_version(self, request: Request, model: Model) -> None:
        version = request.path_params.get("version", str(model.version.number))
        if version != str(model.version.number):
            raise HTTPError(404, f"Servable not found for request: Specific({self.settings.name}, {version})")

    async def describe_model(self, _: Request) -> Response:
        """Answer with what the page shows of the model."""
        return json_answer(self._loaded_model().description(self.settings.name, inverts=self.settings.invert))

    # ---- about the service

    async def liveness(self, _: Request) -> Response:
        """Answer that the process runs."""
        return json_answer({"status": "live"})

    async def readiness(self, _: Request) -> Response:
        """Answer that there is a model, or with 503."""
        self._loaded_model()
        return json_answer({"status": "ready"})

    async def prometheus_metrics(self, _: Request) -> Response:
        """Answer with the metrics in Prometheus' text format."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """Answer with the OpenAPI document."""
        shape = self.model.input_shape if self.model else (28, 28, 1)
        return json_answer(openapi.document(self.settings.name, self.settings.keys, shape))
