# A static binary in an empty image: no shell, no package manager, nothing else to scan.
# For a release, pin both base images by digest (rust:1.95-alpine@sha256:...); a tag may move.

FROM docker.io/library/rust:1.95-alpine AS build
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY . .
# The target of this image is musl, so the binary is static. --locked: what was reviewed is what is built.
RUN cargo build --release --locked --bin pcizone && strip target/release/pcizone

FROM scratch
COPY --from=build /src/target/release/pcizone /pcizone
# No user database here: a number works everywhere, and runAsNonRoot can check it.
USER 65532:65532
EXPOSE 8080
# Writes nothing, so that a read-only root file system is enough.
ENTRYPOINT ["/pcizone"]
CMD ["operator", "--listen", "0.0.0.0:8080"]
