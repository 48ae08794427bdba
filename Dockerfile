# Ordinal in an image: built on Debian 12, run on the same with nothing but the libraries that it links. The health
# check is the server's own, so that no shell and no redis-cli are needed in the container.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile LICENSE ./
RUN make deps && rm -rf /var/lib/apt/lists/*
COPY cache cache
COPY replicatio[n] replication
RUN make && make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libuv1 libxxhash0 libjemalloc2 libssl3 liblzf1 libc-ares2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 999 --no-create-home --home-dir /data ordinal \
    && install -d -o ordinal -g ordinal /data
COPY --from=build /out/usr/ /usr/
USER 999:999
WORKDIR /data
VOLUME /data
EXPOSE 6379
HEALTHCHECK --interval=10s --timeout=3s CMD ["ordinal", "ping"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["ordinal"]
CMD ["--protected-mode", "no"]
