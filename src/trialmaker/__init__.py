"""Train image classifiers on a ModelMaker-style platform or a laptop, track them, compare them, deploy the best."""
