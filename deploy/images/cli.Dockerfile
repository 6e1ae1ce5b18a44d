# The command line, for machines without Python.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
# Arguments end with their stage, variables do not.
ENV PIP_INDEX_URL=${PIP_INDEX_URL} PIP_NO_INDEX=${PIP_NO_INDEX}
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/skillbox
COPY deploy/images/wheels /wheels
COPY deploy/images/install deploy/images/requirements.py pyproject.toml constraints.txt /src/

FROM build AS project
COPY LICENSE README.md /src/
COPY clients/python /src/clients/python
COPY services /src/services
RUN /src/install --wheel

FROM build AS installed
RUN /src/install cli
COPY --from=project /dist /dist
RUN /src/install /dist/*.whl

FROM ${BASE_IMAGE}
COPY --from=installed /opt/skillbox /opt/skillbox
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="skillbox-cli" \
      org.opencontainers.image.description="Command line of Skillbox" \
      org.opencontainers.image.vendor="Skillbox" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/skillbox/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["skillbox"]
