# The image of compose.yaml. Not built where it was written, which has no Docker.
FROM python:3.11-slim
COPY . /lookalike
RUN pip install --no-cache-dir "/lookalike[milvus]" && rm -r /lookalike
ENTRYPOINT ["lookalike"]
