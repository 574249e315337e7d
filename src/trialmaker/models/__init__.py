"""Architectures: one module each, with ``build(*, input_shape, num_classes, **fields) -> keras.Model``."""
