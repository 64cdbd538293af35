# docker build -t syncf .        One image for web, scheduler and slaves; compose.yaml says which is which.
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/syncf
RUN python -m venv .venv
COPY requirements requirements
RUN for name in base s3 gcs azure sftp; do \
      .venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/$name.txt || exit 1; \
    done
COPY manage.py LICENSE ./
COPY jobs jobs
COPY storage_backends storage_backends
COPY syncf_site syncf_site
COPY templates templates
COPY transfers transfers
RUN .venv/bin/python -m compileall -q jobs storage_backends syncf_site transfers \
 && SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" SYNCF_ENV_FILE=/dev/null \
    .venv/bin/python manage.py collectstatic --noinput --verbosity=0 \
 && rm -rf var

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 syncf && useradd --uid 10001 --gid syncf --no-create-home syncf \
 && mkdir -p /data /var/lib/syncf && chown syncf:syncf /data /var/lib/syncf
COPY --from=build /opt/syncf /opt/syncf
WORKDIR /opt/syncf
ENV PATH=/opt/syncf/.venv/bin:$PATH PYTHONUNBUFFERED=1 SYNCF_ENV_FILE=/dev/null \
    BASE_PATH=/data DATABASE_URL=sqlite:////var/lib/syncf/syncf.sqlite3
USER syncf
VOLUME ["/data", "/var/lib/syncf"]
EXPOSE 8080
CMD ["python", "-m", "gunicorn", "syncf_site.wsgi", "--config", "python:syncf_site.web", "--bind", "0.0.0.0:8080"]
