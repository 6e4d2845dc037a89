"""StreamProvider and StreamController: the library, the pipelines, the life of a stream."""
