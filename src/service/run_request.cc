#include "service/run_request.h"

#include <nlohmann/json.hpp>

namespace sluice {

std::string run_options_json(const RunOptions& options) {
  return nlohmann::json{{"files_from", options.files_from.value_or(std::vector<std::string>())},
                        {"retry_failed", options.retry_failed},
                        {"only_paths", options.only_paths},
                        {"approved", options.approved}}
      .dump();
}

Result<RunOptions> parse_run_options(const std::string& text) {
  RunOptions options;
  if (text.empty()) return options;
  try {
    const auto json = nlohmann::json::parse(text);
    // A call names at least one file.
    if (auto files = json.at("files_from").get<std::vector<std::string>>(); !files.empty()) options.files_from = std::move(files);
    json.at("retry_failed").get_to(options.retry_failed);
    json.at("only_paths").get_to(options.only_paths);
    options.approved = json.value("approved", options.approved);  // missing: left by a program that knew none
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kCorruption, std::string("options of a waiting run: ") + error.what());
  }
  return options;
}

}  // namespace sluice
