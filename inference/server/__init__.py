"""SageMaker's container contract over HTTP, for our hooks or for those in MODEL_DIR/code."""
