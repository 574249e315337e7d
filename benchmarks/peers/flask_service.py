"""The platform's own example design: Flask, a call of the model for each request.

python flask_service.py VERSION PORT
"""

import sys

import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request

app = Flask(__name__)
loaded = tf.saved_model.load(sys.argv[1])
answer = loaded.signatures["serving_default"]


@app.post("/ModelMaker/predict")
def predict():
    image = np.array(request.get_json()["image"], np.float32).reshape(1, 28, 28, 1)
    probabilities = answer(images=tf.constant(image))["probabilities"].numpy()[0]
    predictions = [{"label": str(at), "probability": float(value)} for at, value in enumerate(probabilities)]
    return jsonify({"success": True, "predictions": predictions})


if __name__ == "__main__":
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run("127.0.0.1", int(sys.argv[2]), threaded=True)
