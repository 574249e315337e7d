"""From a request to its images: what is quick on the event loop, the rest in a process that can be ended."""

import math
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request

from trialmaker.serving import (
    decode_task,
    decoding,
    flat_numbers,
    json_size,
    memory_budget,
    picture_header,
    request_body,
)
from trialmaker.serving.decode_task import Decoded, DecodeTask
from trialmaker.serving.decoder_pool import DecoderPool
from trialmaker.serving.predictor import Model
from trialmaker.serving.settings import Settings

MS_A_JSON_BYTE, MS_A_JSON_LIST = 4e-5, 3e-4
LOOP_MILLISECONDS = 2.0  # of decoding on the event loop


@dataclass(frozen=True)
class ReadRequest:
    """A request whose body has come, and may be decoded.

    Args:
        task: how.
        body: the JSON, or the picture's file.
        milliseconds: how long decoding takes, about.
        image: float32 [1, H, W, C], where reading has decoded it already.
    """

    task: DecodeTask
    body: bytes
    milliseconds: float
    image: np.ndarray | None = None

    @property
    def is_quick(self) -> bool:
        """Return whether decoding is quick enough for the event loop."""
        is_numbers = self.task.form != "picture" and not self.task.with_preview
        return is_numbers and self.milliseconds <= LOOP_MILLISECONDS


class RequestDecoder:
    """What reads and decodes the requests for one model.

    Args:
        settings: the service's.
        model: whose input is decoded.
        pool: the processes that decode.
    """

    def __init__(self, settings: Settings, model: Model, pool: DecoderPool) -> None:
        self.settings, self.model = settings, model
        shape = model.input_shape
        self.max_pixels = settings.max_pixels or picture_header.default_max_pixels(shape)
        self.max_plain_pixels = settings.max_pixels or picture_header.default_max_plain_pixels(shape)
        self.numbers_task = self._task("numbers")
        self.pool = pool
        pool.allow(self.max_pixels, math.prod(shape))
        self.read_body = request_body.BodyReader(max_bytes=settings.max_body, seconds=settings.seconds)

    async def read_platform(self, request: Request, *, with_preview: bool = False) -> ReadRequest:
        """Read a request of the platform's: JSON, or a picture's file as ``multipart/form-data``.

        Raises:
            HTTPError: what cannot be an image of the model, or takes too much to find out.
        """
        is_json = request_body.body_format(request) == "json"
        body = await self.read_body(request)
        if is_json and not with_preview:
            if (image := flat_numbers.decode(body, self.model.input_shape)) is not None:
                return ReadRequest(self.numbers_task, body, 0, image)
            return self._read_json(body, self.numbers_task)
        if is_json:
            return self._read_json(body, self._task("numbers", with_preview))
        picture = request_body.multipart_file(request.headers["content-type"], body, "image")
        return self._read_picture(picture, self._task("picture", with_preview))

    async def read_rows(self, request: Request) -> ReadRequest:
        """Read a request of TensorFlow Serving's, or of MLflow's; raise as ``read_platform``."""
        return self._read_json(await self.read_body(request), self._task("rows"))

    def decode_now(self, read: ReadRequest) -> Decoded:
        """Decode a request that is quick, on the event loop; raise HTTPError as ``decode`` does."""
        if read.image is not None:
            return Decoded(read.image, False)
        return decode_task.run(read.task, read.body)

    async def decode(self, request: Request, read: ReadRequest) -> Decoded:
        """Decode a request that was read, in a process that can be ended.

        Raises:
            HTTPError: 400, it holds no images; 413, 503, 504, it takes too much.
        """
        seconds = self.settings.seconds
        decoded = await self.pool.decode(read.task, read.body, milliseconds=read.milliseconds, seconds=seconds)
        memory_budget.holding(request).add(decoded.images.nbytes)
        return decoded

    def _task(self, form: str, with_preview: bool = False) -> DecodeTask:
        light_on_dark = self.settings.invert and self.model.is_handwriting_model
        limits = {"max_pixels": self.max_pixels, "max_plain_pixels": self.max_plain_pixels}
        shape = self.model.input_shape
        return DecodeTask(form, shape, **limits, light_on_dark=light_on_dark, with_preview=with_preview)

    def _read_json(self, body: bytes, task: DecodeTask) -> ReadRequest:
        lists = json_size.check(body, task.shape, self.settings.max_waiting)
        return ReadRequest(task, body, len(body) * MS_A_JSON_BYTE + lists * MS_A_JSON_LIST)

    def _read_picture(self, picture: bytes, task: DecodeTask) -> ReadRequest:
        header, picture = decoding.prepare_picture(picture, task.shape, task.max_pixels, task.max_plain_pixels)
        return ReadRequest(task, picture, header.milliseconds(task.shape))
