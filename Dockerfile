# Ordinal in an image: built on Debian 12; what runs is the one binary, the libraries that it links and the loader, and
# nothing else: no shell, no package manager, no tool that an intruder could use. It runs as user 999, with a read-only
# root and without any capability.
#
#   docker build -t ordinal .
#   docker build -t ordinal --build-arg BASE=debian:bookworm-slim .
#   docker buildx build --platform linux/amd64,linux/arm64 -t ordinal .
#
# redis-server is a name for the binary, so that a manifest with `command: ["redis-server", "--appendonly", "yes"]` works as
# it is.
ARG BASE=debian:12-slim
FROM $BASE AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile LICENSE ./
RUN make deps && rm -rf /var/lib/apt/lists/*
COPY cache cache
COPY replication replication
RUN make && strip --strip-debug ordinal
# The image's root: ldd names the libraries and the loader, where the loader looks for them.
RUN install -D ordinal /root-of-image/usr/local/bin/ordinal \
    && ln -s ordinal /root-of-image/usr/local/bin/redis-server \
    && install -D -m 644 LICENSE /root-of-image/usr/share/doc/ordinal/LICENSE \
    && ldd ordinal | grep -o '/[^ ]*' | xargs cp -L --parents -t /root-of-image \
    && find /root-of-image -name '*.so*' ! -name 'ld-linux*' -exec chmod a-x {} + \
    && mkdir /root-of-image/etc \
    && echo 'ordinal:x:999:999::/data:/nonexistent' > /root-of-image/etc/passwd \
    && echo 'ordinal:x:999:' > /root-of-image/etc/group \
    && echo 'hosts: files dns' > /root-of-image/etc/nsswitch.conf \
    && mkdir /data

FROM scratch
COPY --from=build /root-of-image /
COPY --from=build --chown=999:999 /data /data
# As in the images of Redis: a container's network is its own, so clients of other hosts are let in without a password.
ENV PATH=/usr/local/bin ORDINAL_PROTECTED_MODE=no
USER 999:999
WORKDIR /data
VOLUME /data
EXPOSE 6379
HEALTHCHECK --interval=10s --timeout=3s CMD ["ordinal", "ping"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["ordinal"]
