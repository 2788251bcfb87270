"""Puts the endpoint on SageMaker, and the gateway on a cluster."""
