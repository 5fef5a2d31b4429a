// CPU time of the JSON reader alone, from memory: one reader over five-column NDJSON. Usage: json_read_bench [MiB]
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "formats/json_format.h"

namespace {

std::string make_rows(size_t bytes) {
  std::string text;
  for (int64_t i = 0; text.size() < bytes; ++i) {
    text += fmt::format(
        R"({{"id":{},"timestamp":"2024-01-{:02}T{:02}:{:02}:{:02}Z","user_id":"u{:06}","event_type":"{}","value":{}.{}}})"
        "\n",
        i, 1 + i / 86400 % 28, i / 3600 % 24, i / 60 % 60, i % 60, i * 7919 % 1000000, i % 3 ? "click" : "purchase", i * 31 % 1000, i % 100);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t bytes = static_cast<size_t>(argc > 1 ? std::atoi(argv[1]) : 256) << 20;
  const std::string text = make_rows(bytes);
  const auto blob = sluice::make_memory_blob(text);
  sluice::ReadPlan plan;
  for (const auto& [name, type] : {std::pair("id", sluice::TypeId::kLong), {"timestamp", sluice::TypeId::kTimestamptz},
                                   {"user_id", sluice::TypeId::kString}, {"event_type", sluice::TypeId::kString}, {"value", sluice::TypeId::kDouble}}) {
    plan.columns.fields.push_back({.name = name, .type = sluice::make_type(type)});
  }
  sluice::assign_field_ids(plan.columns.fields, 0);
  sluice::Context context;
  for (int round = 0; round < 5; ++round) {
    const std::clock_t start = std::clock();
    auto reader = sluice::json_format().open(*blob, {}, plan, context);
    int64_t rows = 0, rescued = 0;
    for (;;) {
      auto block = (*reader)->next(context);
      if (!block) return std::fprintf(stderr, "%s\n", block.error().message.c_str()), 1;
      if (!*block) break;
      rows = (*block)->first_row + 1;
      rescued += (*block)->rows_rescued;
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%.0f MB/s, %lld rescued, %.3f s, last block from row %lld\n", static_cast<double>(text.size()) / 1e6 / seconds,
                static_cast<long long>(rescued), seconds, static_cast<long long>(rows));
  }
}
