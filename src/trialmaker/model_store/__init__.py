"""Published models: the folder's format, publishing, finding, loading, and weights to start from."""
