#include "service/run_request.h"

#include <nlohmann/json.hpp>

namespace sluice {

std::string run_options_json(const RunOptions& options) {
  return nlohmann::json{{"files_from", options.files_from},
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
    json.at("files_from").get_to(options.files_from);
    json.at("retry_failed").get_to(options.retry_failed);
    json.at("only_paths").get_to(options.only_paths);
    options.approved = json.value("approved", options.approved);  // missing: left by a program that knew none
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kCorruption, std::string("options of a waiting run: ") + error.what());
  }
  return options;
}

}  // namespace sluice
