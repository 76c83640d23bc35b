# Builds on Debian, runs on Debian: one binary, an unprivileged user, data in /data.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin ochre && strip target/release/ochre

FROM debian:bookworm-slim
RUN useradd --system --uid 999 --home-dir /data ochre && mkdir /data && chown ochre:ochre /data
COPY --from=build /src/target/release/ochre /usr/local/bin/ochre
RUN ln -s ochre /usr/local/bin/redis-server
USER ochre
WORKDIR /data
VOLUME /data
EXPOSE 6379
# Inside a container the network is the container's own, as in the official images.
ENTRYPOINT ["ochre"]
CMD ["--protected-mode", "no"]
