"""The least that a service in Python does: a Starlette route that parses the same body and answers a fixed one.

python bare_route.py PORT
"""

import sys

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PREDICTIONS = [{"label": str(label), "probability": 0.12345678 * 10**-label} for label in range(10)]
ANSWER = orjson.dumps({"success": True, "predictions": PREDICTIONS})


async def predict(request: Request) -> Response:
    """Parse the body, and answer."""
    orjson.loads(await request.body())
    return Response(ANSWER, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/ModelMaker/predict", predict, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", access_log=False, log_config=None)
