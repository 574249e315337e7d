"""The inference service: find a model, decode what is asked, predict, encode the answer."""
