# One image a process: `make images`. Targets: service, monitoring, trainer.
# The base is two arguments, so that a release can name it by digest (.github/workflows/release.yml):
#   docker build --build-arg BASE_IMAGE=python:3.11-slim-bookworm --build-arg BASE_DIGEST=@sha256:...
# What is shipped is put together in stages of its own, where every time of day is SOURCE_DATE_EPOCH, and
# copied as whole trees: the same sources give the same layers (docs/supply-chain.md).
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST=""
# "classic" where the engine has no BuildKit, whose copies keep their owners.
ARG BUILDER=buildkit

# --- what is installed, from hashed locks; nothing of these stages but trees is shipped -------------
FROM ${BASE_IMAGE}${BASE_DIGEST} AS installer
ARG SOURCE_DATE_EPOCH=946684800
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
WORKDIR /install
COPY deploy/image/*.sh ./

FROM installer AS service-packages
COPY requirements/serve.txt ./
RUN ./install.sh serve.txt

FROM installer AS monitoring-packages
COPY requirements/monitor.txt ./
RUN ./install.sh monitor.txt

FROM installer AS trainer-packages
COPY requirements/monitor.txt requirements/train.txt ./
RUN ./install.sh monitor.txt train.txt

# 10001 is nobody on any host; it owns what is written, and nothing that is run.
FROM installer AS places
RUN mkdir -p /tree/app /tree/var/lib/perennial/bundles /tree/var/lib/perennial/reports \
        /tree/var/lib/perennial/spool /tree/var/lib/perennial/metrics /tree/var/lib/perennial/retrains \
 && chown -R 10001:10001 /tree/var/lib/perennial \
 && ./settle.sh /tree

FROM installer AS closed-programs
RUN ./close.sh /tree && ./settle.sh /tree

# Debian keeps one upstream release of git; its fixes come with each build.
FROM installer AS git
RUN touch /install/before \
 && apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends git=1:2.39.* \
 && git config --system --add safe.directory '*' \
 && rm -rf /var/lib/apt/lists/* /var/lib/dpkg/*-old /var/cache/* /var/log/* /tmp/* \
 && ./changed.sh /install/before /tree && ./settle.sh /tree

FROM installer AS monitoring-code
COPY contracts /tree/app/contracts
COPY monitoring /tree/app/monitoring
COPY params.yaml /tree/app/
RUN ./settle.sh /tree

FROM installer AS service-code
COPY contracts /tree/app/contracts
COPY deploy/__init__.py deploy/install.py /tree/app/deploy/
COPY service /tree/app/service
COPY build/bundle /tree/app/build/bundle
RUN ./settle.sh /tree

# --- what every process has; no RUN from here on, for it leaves the time of day in /etc ---------------
FROM ${BASE_IMAGE}${BASE_DIGEST} AS buildkit
COPY --from=places /tree/ /
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PERENNIAL_BUNDLES_DIR=/var/lib/perennial/bundles \
    PERENNIAL_REPORTS_DIR=/var/lib/perennial/reports \
    PERENNIAL_SPOOL_DIR=/var/lib/perennial/spool \
    PERENNIAL_METRICS_DIR=/var/lib/perennial/metrics \
    PERENNIAL_WORK_DIR=/var/lib/perennial/retrains
WORKDIR /app
STOPSIGNAL SIGTERM

FROM buildkit AS classic
RUN chown -R 10001:10001 /var/lib/perennial

FROM ${BUILDER} AS process

# --- monitoring where retrains run in GitHub Actions: no DVC, no git ------------------------------
FROM process AS monitoring
COPY --from=closed-programs /tree/ /
COPY --from=monitoring-packages /tree/ /
COPY --from=monitoring-code /tree/ /
ARG REVISION=unknown VERSION=unknown SOURCE="" CREATED=""
LABEL org.opencontainers.image.title="Perennial monitoring" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PERENNIAL_REVISION=${REVISION}
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "monitoring.alive"]
CMD ["python", "-m", "monitoring.scheduler"]

# --- monitoring that trains by itself: DVC and git, and a repository mounted at /project ----------
FROM process AS trainer
COPY --from=git /tree/ /
COPY --from=trainer-packages /tree/ /
COPY --from=monitoring-code /tree/ /
ARG REVISION=unknown VERSION=unknown SOURCE="" CREATED=""
LABEL org.opencontainers.image.title="Perennial monitoring with training" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PERENNIAL_REVISION=${REVISION} PERENNIAL_PROJECT_DIR=/project OMP_WAIT_POLICY=PASSIVE HOME=/tmp
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "monitoring.alive"]
CMD ["python", "-m", "monitoring.scheduler"]

# --- the service, with the bundle that it was released with; the last target is the default -------
FROM process AS service
COPY --from=closed-programs /tree/ /
COPY --from=service-packages /tree/ /
COPY --from=service-code /tree/ /
ARG REVISION=unknown VERSION=unknown SOURCE="" CREATED=""
LABEL org.opencontainers.image.title="Perennial" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PERENNIAL_REVISION=${REVISION} PERENNIAL_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service.alive"]
CMD ["python", "-m", "service"]
