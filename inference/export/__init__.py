"""GluonCV's or MXNet's weights → a model directory that every engine serves, with a report on how near they come."""
