# The object store for one machine: rclone over a folder, as in `skillbox up`.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
# Arguments end with their stage, variables do not.
ENV PIP_INDEX_URL=${PIP_INDEX_URL} PIP_NO_INDEX=${PIP_NO_INDEX}
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/skillbox
COPY deploy/images/wheels /wheels
COPY deploy/images/install deploy/images/requirements.py pyproject.toml constraints.txt /src/
RUN /src/install object-store

FROM ${BASE_IMAGE}
COPY --from=build /opt/skillbox /opt/skillbox
COPY deploy/images/probe deploy/images/object-store.sh /usr/local/bin/
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="skillbox-object-store" \
      org.opencontainers.image.description="S3-compatible store over a volume" \
      org.opencontainers.image.vendor="Skillbox" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/skillbox/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
RUN mkdir -m 1777 /data
USER 65532:65532
VOLUME /data
EXPOSE 9000
# It refuses what is not signed, and so answers.
HEALTHCHECK --interval=1s --timeout=30s --start-period=60s CMD ["probe", "http", "9000", "/", "400"]
CMD ["sh", "/usr/local/bin/object-store.sh"]
