"""Weights of GluonCV, MXNet or TensorFlow.js → a model directory that our engines serve, with a parity report."""
