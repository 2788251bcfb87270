"""Puts the endpoint on SageMaker, and the gateway on a cluster.

A library as well as a command: `connect` an account, `pack` an artifact, `make_plan`, `up`, `smoke`, `update`, `down`.
Every function says what it raises; all of it is a DeployError. docs/deploy.md shows the order, docs/notebook.ipynb too.
"""
