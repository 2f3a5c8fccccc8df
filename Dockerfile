# A static binary in an image with nothing else than certificates. See docs/operations.md, "In a container".
FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X parlor/sfu.version=${VERSION}" -o /out/sfu ./cmd/sfu \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/sfu /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/data /data
# A key is needed beyond loopback: SFU_AUTH_KEYS or SFU_AUTH_KEYS_FILE.
ENV SFU_HTTP_LISTEN=:8080 SFU_MEDIA_LISTEN=:7882 SFU_NATS_STORE_DIR=/data/nats
USER 65532:65532
VOLUME /data
EXPOSE 8080/tcp 7882/udp 7882/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/sfu", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sfu"]
