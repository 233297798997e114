# One image for every command: serve (the default), migrate, check, token, openapi.
# Any base will do whose python3 is 3.11 or later and can make virtual environments; both stages must share it.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build

COPY locks locks
RUN python3 -m venv tools \
 && tools/bin/pip install --only-binary=:all: --require-hashes --requirement locks/build.lock

# The environment that ships is filled from outside, so that it never holds pip. Wheels only: no compiler, no setup.py.
# LOCK=locks/otel.lock adds what traces need.
ARG LOCK=locks/runtime.lock
RUN python3 -m venv --without-pip /opt/venv \
 && tools/bin/pip --python /opt/venv/bin/python install \
      --no-compile --only-binary=:all: --require-hashes --requirement ${LOCK}

COPY LICENSE README.md pyproject.toml ./
COPY migrations migrations
COPY service service
COPY sql sql
RUN tools/bin/python -m hatchling build --target wheel --directory dist \
 && tools/bin/pip --python /opt/venv/bin/python install --no-compile --no-deps --no-index dist/*.whl \
 && tools/bin/pip --python /opt/venv/bin/python check \
 && tools/bin/pip --python /opt/venv/bin/python install \
      --no-compile --no-deps --only-binary=:all: --require-hashes --requirement locks/assets.lock \
 && sed "s/^dynamic = .*/version = \"$(tools/bin/hatchling version)\"/" pyproject.toml > versioned.toml \
 && tools/bin/cyclonedx-py environment --pyproject versioned.toml --output-reproducible \
      --output-file /opt/venv/sbom.cdx.json /opt/venv/bin/python

# Bytecode is made here because a read-only root file system can't keep it later; of the standard library too, as far as the
# service uses it, for slim Python images have theirs removed and would compile it at each start: twice the time. It is judged by
# hash, not by time: a builder told to fix the files' times (buildah: --timestamp) makes equal layers of equal sources.
RUN export PYTHONPYCACHEPREFIX=/opt/venv/pycache \
 && /opt/venv/bin/python -BP -c "import service.__main__, service.app, service.check, service.migrate.migrations, sys; \
      files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()]; \
      print(*(file for file in files if file.startswith(sys.base_prefix)), sep='\n')" > used \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode checked-hash -i used \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib


FROM ${BASE}
COPY --from=builder /opt/venv /opt/venv

# HOME and LOGNAME spare libraries the look-up of a passwd entry, so that any uid the platform picks will do.
# PYTHONSAFEPATH keeps the working directory, which the platform may choose too, out of the module search path.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/nonexistent \
    LOGNAME=service \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/venv/pycache \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PROBE_PORT=9465

ARG BASE
ARG CREATED=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="task-service" \
      org.opencontainers.image.description="A multi-user task service: REST, JWT, PostgreSQL" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}"

# A number, not a name: Kubernetes' runAsNonRoot can verify only that.
USER 10001:10001
EXPOSE 8000 9465
STOPSIGNAL SIGTERM
# A bare socket, because importing an HTTP client would double the time that each probe takes.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-IS", "-X", "pycache_prefix=/opt/venv/pycache", "-c", "import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ.get('PROBE_PORT') or os.environ.get('PORT') or 8000)), 2); s.sendall(b'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'); raise SystemExit(s.recv(12) != b'HTTP/1.1 200')"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]
