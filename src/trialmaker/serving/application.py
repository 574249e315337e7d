"""The service's addresses."""

import asyncio
import importlib.resources
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from trialmaker.serving import decoding, openapi, request_body, tensorflow_serving
from trialmaker.serving.batching import Batcher
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.metrics import Metrics
from trialmaker.serving.predictor import BATCH_IMAGES, Model
from trialmaker.serving.settings import Settings

LARGE = 200_000  # bytes of JSON, whose decoding takes some milliseconds
DECODERS = 2  # threads: a large picture takes hundreds of megabytes
MOST_DECODING = 64  # bodies that wait for them
Images = tuple[np.ndarray, bool]
Decode = Callable[[], Images]
Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """Answers requests; until it has a model, those for one with 503."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.model: Model | None = None
        self.batcher: Batcher | None = None
        self.threads = ThreadPoolExecutor(DECODERS)
        self.decoding = 0
        self.read = request_body.BodyReader(most=settings.max_body, seconds=settings.seconds)

    def serve(self, model: Model) -> None:
        """From now on, this model, which has answered once."""
        self.batcher = Batcher(
            model.predict, most=BATCH_IMAGES, queue=self.settings.queue, observe=self.metrics.batch.observe
        )
        self.metrics.version.set(model.version.number)
        self.model = model

    def routes(self) -> list[Route]:
        """Every address."""
        model = f"/v1/models/{self.settings.name}"
        versions = model + "/versions/{version}"
        gets: dict[str, Handler] = {
            "/": self.page,
            "/docs": self.docs,
            "/openapi.json": self.openapi,
            "/ping": self.ready,  # MLflow's
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/metrics": self.show_metrics,
            "/ModelMaker/model": self.about,
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
        }
        routes = [Route(path, handler, methods=["POST"]) for path, handler in posts.items()]
        return routes + [Route(path, handler, methods=["GET"]) for path, handler in gets.items()]

    # ---- predictions

    async def predict(self, request: Request) -> Response:
        """The platform's own."""
        model = self._model()
        is_json = request_body.kind(request) == "json"
        body = await self.read(request)
        decode = (
            (lambda: decoding.platforms(body, model.input_shape)) if is_json else self._picture(request, body, model)
        )
        probabilities, is_batch = await self._predicted(decode, is_quick=is_json and len(body) < LARGE)
        rows = [
            [{"label": label, "probability": value} for label, value in zip(model.class_names, row, strict=True)]
            for row in probabilities.tolist()
        ]
        return _json({"success": True, "predictions": rows if is_batch else rows[0]})

    def _picture(self, request: Request, body: bytes, model: Model) -> Decode:
        light = self.settings.invert and model.is_of_digits

        def decode() -> Images:
            raw = request_body.part(request.headers["content-type"], body, "image")
            most = self.settings.max_pixels
            return decoding.picture(raw, model.input_shape, most_pixels=most, light_on_dark=light), False

        return decode

    async def predict_as_tensorflow_serving(self, request: Request) -> Response:
        model = self._model()
        self._check_version(request, model)
        body = await self.read(request)
        probabilities, by_rows = await self._predicted(
            lambda: tensorflow_serving.images(body, model.input_shape), is_quick=len(body) < LARGE
        )
        return Response(tensorflow_serving.answer(probabilities, by_rows), media_type="application/json")

    async def predict_as_mlflow(self, request: Request) -> Response:
        """``mlflow models serve``'s, whose two forms for arrays are TensorFlow Serving's."""
        model = self._model()
        body = await self.read(request)
        probabilities, _ = await self._predicted(
            lambda: tensorflow_serving.images(body, model.input_shape), is_quick=len(body) < LARGE
        )
        answer = orjson.dumps({"predictions": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(answer, media_type="application/json")

    async def _predicted(self, decode: Decode, *, is_quick: bool) -> Images:
        """Probabilities, and what decoding says beside the images; within the time that a request has."""
        assert self.batcher
        try:
            async with asyncio.timeout(self.settings.seconds):
                images, form = decode() if is_quick else await self._on_a_thread(decode)
                probabilities = await self.batcher(images)
        except TimeoutError:
            raise HTTPError(504, f"no answer within {self.settings.seconds:g} seconds; ask for fewer images") from None
        if not np.isfinite(probabilities).all():
            raise HTTPError(400, "the numbers are so large that the model's answer is none; they should lie in 0 to 1")
        return probabilities, form

    async def _on_a_thread(self, decode: Decode) -> Images:
        """What takes long to decode, so that others are answered meanwhile."""
        if self.decoding >= MOST_DECODING:
            raise HTTPError(503, f"too many requests: {self.decoding} bodies wait; try again", Retry_After="1")
        self.decoding += 1
        done = asyncio.get_running_loop().run_in_executor(self.threads, decode)
        done.add_done_callback(self._decoded)
        return await done

    def _decoded(self, _: object) -> None:
        self.decoding -= 1

    def _model(self) -> Model:
        if self.model is None:
            raise HTTPError(503, "the model is being loaded; try again", Retry_After="1")
        return self.model

    # ---- about the model

    async def status(self, request: Request) -> Response:
        model = self._model()
        self._check_version(request, model)
        return _json(tensorflow_serving.status(model))

    async def metadata(self, request: Request) -> Response:
        model = self._model()
        self._check_version(request, model)
        return _json(tensorflow_serving.metadata(model, self.settings.name))

    def _check_version(self, request: Request, model: Model) -> None:
        asked = request.path_params.get("version", str(model.version.number))
        if asked != str(model.version.number):
            raise HTTPError(404, f"Servable not found for request: Specific({self.settings.name}, {asked})")

    async def about(self, _: Request) -> Response:
        """What the page shows."""
        model = self._model()
        return _json(
            {
                "name": str(model.version.card.get("model", self.settings.name)),
                "version": model.version.number,
                "data": model.version.card.get("data"),
                "metrics": dict(model.version.metrics),
                "class_names": list(model.class_names),
                "input_shape": list(model.input_shape),
                "digits": model.is_of_digits,
            }
        )

    # ---- about the service

    async def live(self, _: Request) -> Response:
        return _json({"status": "live"})

    async def ready(self, _: Request) -> Response:
        self._model()
        return _json({"status": "ready"})

    async def show_metrics(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def page(self, _: Request) -> Response:
        return HTMLResponse(_file("page.html"))

    async def docs(self, _: Request) -> Response:
        return HTMLResponse(_file("docs.html"))

    async def openapi(self, _: Request) -> Response:
        return _json(openapi.document(self.settings.name, self.settings.keys))


def _json(found: Any) -> Response:
    return Response(orjson.dumps(found), media_type="application/json")


def _file(name: str) -> str:
    return importlib.resources.files("trialmaker.serving").joinpath(name).read_text(encoding="utf-8")
