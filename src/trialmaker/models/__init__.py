"""Architectures: one module each, with a function ``build`` that returns a ``keras.Model``; `registry` names them."""
