# Postgres from Debian packages, for machines that cannot pull the official image. It is set up
# by the same variables and runs as any user, as that one does.
ARG BASE_IMAGE=skillbox/base-postgres
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="skillbox-postgres" \
      org.opencontainers.image.description="Postgres from Debian packages"
COPY deploy/images/postgres.sh /usr/local/bin/postgres.sh
RUN mkdir -p -m 1777 /var/lib/postgresql/data && chmod 1777 /var/lib/postgresql/data
USER 65532:65532
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
CMD ["sh", "/usr/local/bin/postgres.sh"]
