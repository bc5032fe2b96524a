# syntax=docker/dockerfile:1
# ctexport with every kind of destination. docs/operations.md says how to run it.
#
#   docker build -t ctexport .
#   docker run --init -p 3000:3000 -v ctexport-state:/var/lib/ctexport ctexport
#
# The example home lies in /srv/ctexport; mount your own there, or build an image of yours on this one:
#   FROM ctexport
#   COPY assets /srv/ctexport/assets
#   COPY resources /srv/ctexport/resources

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/ctexport
ENV PATH=/opt/ctexport/bin:$PATH
WORKDIR /build
# The packages first: they change less often than the code, and their layer is kept.
COPY requirements-image.lock ./
RUN pip install --require-hashes -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY ctexport_dagster ./ctexport_dagster
# --no-build-isolation: what builds the package is locked and checked like everything else.
RUN pip install --no-deps --no-build-isolation . && python -m compileall -q /opt/ctexport

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/ctexport ctexport \
    && install -d -o ctexport -g ctexport /var/lib/ctexport /srv/ctexport
COPY --from=build /opt/ctexport /opt/ctexport
COPY --chown=ctexport:ctexport assets /srv/ctexport/assets
COPY --chown=ctexport:ctexport resources /srv/ctexport/resources
COPY --chown=ctexport:ctexport settings.yaml /srv/ctexport/settings.yaml
ENV PATH=/opt/ctexport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CTEXPORT_HOME=/srv/ctexport \
    CTEXPORT_STATE=/var/lib/ctexport \
    DAGSTER_HOME=/var/lib/ctexport/dagster \
    DAGSTER_DISABLE_TELEMETRY=1
USER ctexport
WORKDIR /srv/ctexport
VOLUME /var/lib/ctexport
EXPOSE 3000
# Of a container that runs the daemon alone, the check is: dagster-daemon liveness-check
HEALTHCHECK --interval=30s --timeout=25s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3000/server_info', timeout=20)"]
# One container for both programs; for one each: ["ctexport", "serve", "webserver", "--host", "0.0.0.0"] and
# ["ctexport", "serve", "daemon"], on the same volume or with CTEXPORT_POSTGRES_URL.
CMD ["ctexport", "dev", "--host", "0.0.0.0"]
