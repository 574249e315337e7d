"""Data sets as NumPy splits: MNIST, scikit-learn's digits and class folders of pictures; free of TensorFlow."""
