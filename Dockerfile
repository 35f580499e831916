# One image a process: `make images`. Targets: service, monitoring, trainer.
# The base is two arguments, so that a release can name it by digest (.github/workflows/release.yml):
#   docker build --build-arg BASE_IMAGE=python:3.11-slim-bookworm --build-arg BASE_DIGEST=@sha256:...
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST=""

# --- what is installed, from hashed locks; nothing of this stage but /venv is shipped -------------
FROM ${BASE_IMAGE}${BASE_DIGEST} AS installer
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /install
COPY deploy/image/install.sh ./

FROM installer AS service-packages
COPY requirements/serve.txt ./
RUN ./install.sh serve.txt

FROM installer AS monitoring-packages
COPY requirements/monitor.txt ./
RUN ./install.sh monitor.txt

FROM installer AS trainer-packages
COPY requirements/monitor.txt requirements/train.txt ./
RUN ./install.sh monitor.txt train.txt

# --- what every process has -----------------------------------------------------------------------
FROM ${BASE_IMAGE}${BASE_DIGEST} AS process
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Perennial" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
# 10001 is nobody on any host; it owns what is written, and nothing that is run.
RUN mkdir -p /var/lib/perennial/bundles /var/lib/perennial/reports /var/lib/perennial/spool \
        /var/lib/perennial/metrics /var/lib/perennial/retrains \
 && chown -R 10001:10001 /var/lib/perennial
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PERENNIAL_REVISION=${REVISION} \
    PERENNIAL_BUNDLES_DIR=/var/lib/perennial/bundles \
    PERENNIAL_REPORTS_DIR=/var/lib/perennial/reports \
    PERENNIAL_SPOOL_DIR=/var/lib/perennial/spool \
    PERENNIAL_METRICS_DIR=/var/lib/perennial/metrics \
    PERENNIAL_WORK_DIR=/var/lib/perennial/retrains
WORKDIR /app
COPY contracts contracts

# --- monitoring where retrains run in GitHub Actions: no DVC, no git ------------------------------
FROM process AS monitoring
COPY --from=monitoring-packages /venv /venv
COPY monitoring monitoring
COPY params.yaml ./
USER 10001:10001
CMD ["python", "-m", "monitoring.scheduler"]

# --- monitoring that trains by itself: DVC and git, and a repository mounted at /project ----------
FROM process AS trainer
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && git config --system --add safe.directory '*'
COPY --from=trainer-packages /venv /venv
COPY monitoring monitoring
COPY params.yaml ./
ENV PERENNIAL_PROJECT_DIR=/project OMP_WAIT_POLICY=PASSIVE HOME=/tmp
USER 10001:10001
CMD ["python", "-m", "monitoring.scheduler"]

# --- the service, with the bundle that it was released with; the last target is the default -------
FROM process AS service
COPY --from=service-packages /venv /venv
COPY deploy/__init__.py deploy/install.py deploy/
COPY service service
COPY build/bundle build/bundle
ENV PERENNIAL_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service.alive"]
CMD ["python", "-m", "service"]
