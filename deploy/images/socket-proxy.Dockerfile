# HAProxy before the Docker socket, with patterns that the Executor's own code makes. The second
# base is like the first, and may have HAProxy in it; else that is installed from Debian.
ARG BASE_IMAGE=python:3.12-slim
ARG PROXY_BASE_IMAGE=${BASE_IMAGE}

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
RUN /src/install socket-proxy
COPY --from=project /dist /dist
RUN /src/install /dist/*.whl

FROM ${PROXY_BASE_IMAGE}
RUN command -v haproxy >/dev/null || { apt-get update -q \
 && apt-get install -q -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*; }
COPY --from=installed /opt/skillbox /opt/skillbox
COPY deploy/images/probe deploy/images/socket-proxy.sh /usr/local/bin/
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="skillbox-socket-proxy" \
      org.opencontainers.image.description="Lets Executors make sandboxes and nothing else" \
      org.opencontainers.image.vendor="Skillbox" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/skillbox/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin HOME=/tmp LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 2375
HEALTHCHECK --interval=1s --timeout=30s --start-period=60s CMD ["probe", "http", "2375", "/_ping", "200"]
CMD ["sh", "/usr/local/bin/socket-proxy.sh"]
