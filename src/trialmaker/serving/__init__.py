"""The inference service: find a model, decode requests, predict, encode answers; and the platform's client of it."""
