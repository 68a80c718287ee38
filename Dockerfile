# consent-stream: worker, gate and command line in one image.
FROM python:3.12-slim

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY schemas ./schemas
COPY consent_stream ./consent_stream
RUN pip install --no-cache-dir '.[worker,edge]' && rm -rf build ./*.egg-info

# A user of its own; the directories exist so that volumes mounted on them belong to it.
RUN useradd --uid 10001 --no-create-home consent && install -d -o consent -m 700 /data /keys
USER consent
ENV CONSENT_DATA_DIR=/data \
    PYTHONUNBUFFERED=1
WORKDIR /data

ENTRYPOINT ["consent-stream"]
CMD ["--help"]
