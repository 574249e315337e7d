"""Files -> numpy splits: MNIST, scikit-learn's digits, class folders of pictures. A light layer: no TensorFlow here."""
