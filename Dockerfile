# A static binary in an empty image: no shell, no package manager, nothing else to scan.
# For a release, pin the base image by digest (rust:1.95-alpine@sha256:...); a tag may move.

FROM docker.io/library/rust:1.95-alpine AS build
# gcc, make and musl-dev: ring brings C and assembler, the allocator C.
RUN apk add --no-cache binutils gcc make musl-dev
WORKDIR /src
COPY . .
# The allocator takes the page size of the machine that builds it. For arm64, whose kernels may have pages of 64 KiB:
# --build-arg JEMALLOC_SYS_WITH_LG_PAGE=16
ARG JEMALLOC_SYS_WITH_LG_PAGE
# Rust links statically where its host is musl, as here. --locked: what was reviewed is what is built.
RUN cargo build --release --locked --bin pcizone
# The empty image has no loader. A binary that asks for one would be built well and never start.
RUN readelf --program-headers target/release/pcizone > /tmp/headers && ! grep INTERP /tmp/headers

FROM scratch
COPY --from=build /src/target/release/pcizone /pcizone
# No user database here: a number works everywhere, and runAsNonRoot can check it.
USER 65532:65532
EXPOSE 8080
# Writes nothing, so that a read-only root file system is enough.
ENTRYPOINT ["/pcizone"]
# [::] hears IPv4 too.
CMD ["operator", "--listen", "[::]:8080"]
