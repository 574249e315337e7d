"""The design of the platform's own example: Flask, with a call of the model for each request.

python flask_service.py VERSION PORT
"""

import sys

import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request

app = Flask(__name__)
model = tf.saved_model.load(sys.argv[1])
signature = model.signatures["serving_default"]


@app.post("/ModelMaker/predict")
def predict():
    image = np.array(request.get_json()["image"], np.float32).reshape(1, 28, 28, 1)
    probabilities = signature(images=tf.constant(image))["probabilities"].numpy()[0]
    predictions = [{"label": str(label), "probability": float(value)} for label, value in enumerate(probabilities)]
    return jsonify({"success": True, "predictions": predictions})


if __name__ == "__main__":
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run("127.0.0.1", int(sys.argv[2]), threaded=True)
