# Builds onetag for linux/amd64 and linux/arm64, on either, without emulation:
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t onetag .
#
# The classic builder and podman build it too, for the machine's own architecture.
ARG RUST_IMAGE=rust:1.95-bookworm
# Any base works, since the program is static; gcr.io/distroless/static or busybox add tools around it.
ARG RUNTIME_IMAGE=scratch

# The compiler runs on the builder's own architecture. "linux" alone means just that to builders
# that do not set BUILDPLATFORM.
FROM --platform=${BUILDPLATFORM:-linux} ${RUST_IMAGE} AS build
ARG TARGETARCH

# Static, so that nothing of the builder's C library has to be copied beside it. glibc has resolved names
# (files and DNS) without loading modules since 2.34, so a static program still finds its upstream.
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc

# A compiler for the other architecture, only where the target is one. CARGO_BUILD_TARGET is always given,
# even to build for the machine itself: it keeps the static flags away from build scripts and macros.
RUN set -eu; \
    host=$(dpkg --print-architecture); \
    case "${TARGETARCH:-$host}" in \
        amd64) cpu=x86_64 package=gcc-x86-64-linux-gnu ;; \
        arm64) cpu=aarch64 package=gcc-aarch64-linux-gnu ;; \
        *) echo "onetag is not built for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    echo "$cpu-unknown-linux-gnu" > /target; \
    if [ "${TARGETARCH:-$host}" != "$host" ]; then \
        rustup target add "$cpu-unknown-linux-gnu"; \
        apt-get update; \
        apt-get install --yes --no-install-recommends "$package" "libc6-dev-$TARGETARCH-cross"; \
        rm -rf /var/lib/apt/lists/*; \
    fi

WORKDIR /src
COPY . .
# "dev" compiles faster and runs slower.
ARG PROFILE=release
RUN set -eu; \
    export CARGO_BUILD_TARGET="$(cat /target)"; \
    cargo build --locked --profile "$PROFILE" --package onetag --bin onetag; \
    mkdir -p /out/data; \
    cp "target/$CARGO_BUILD_TARGET"/*/onetag LICENSE /out/

FROM ${RUNTIME_IMAGE}
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="onetag" \
      org.opencontainers.image.description="One tag, every architecture: merges single-architecture tags at pull time" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/LICENSE /LICENSE
COPY --from=build /out/onetag /onetag
COPY --from=build --chown=65532:65532 /out/data /data

# The number, not a name: scratch has no user list, and Kubernetes' runAsNonRoot can judge only numbers.
USER 65532:65532
VOLUME /data
# The admin listener (metrics, status) stays inside the container until ONETAG_ADMIN says otherwise.
ENV ONETAG_LISTEN=0.0.0.0:5080 \
    ONETAG_ADMIN=127.0.0.1:5081 \
    ONETAG_DATA_DIR=/data
EXPOSE 5080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/onetag", "healthcheck"]
ENTRYPOINT ["/onetag"]
CMD ["serve"]
