# The project as images: `app` is the program alone, `test` has the test environment's tools (Spark, REST catalog) as well.
FROM debian:bookworm AS build
WORKDIR /sluice
COPY scripts/setup scripts/packages.txt scripts/requirements.txt scripts/
RUN scripts/setup build
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY src src
RUN cmake --preset release -DSLUICE_TESTS=OFF && cmake --build build/release --target sluice

FROM build AS test
COPY scripts scripts
RUN scripts/setup test
COPY tests tests
ENTRYPOINT [".venv/bin/python"]

FROM debian:bookworm-slim AS app
# What `ldd build/release/sluice` names beyond the C++ runtime.
RUN apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates libarchive13 libbz2-1.0 libcpp-httplib0.11 libcurl4 libdate-tz3 libfmt9 liblz4-1 liblzma5 libpcre2-8-0 libpq5 libpugixml1v5 libsimdjson14 \
      libspdlog1.10 libsqlite3-0 libssl3 libstdc++6 libxxhash0 libyaml-cpp0.7 libzstd1 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 sluice
COPY --from=build /sluice/build/release/sluice /usr/local/bin/sluice
COPY --from=build /sluice/.venv/lib/python3.11/site-packages/pyarrow/libarrow.so.* /sluice/.venv/lib/python3.11/site-packages/pyarrow/libparquet.so.* \
     /sluice/.venv/lib/python3.11/site-packages/pyarrow/
USER sluice
WORKDIR /home/sluice
EXPOSE 8000
ENTRYPOINT ["sluice"]
CMD ["serve", "--listen", "0.0.0.0:8000"]
