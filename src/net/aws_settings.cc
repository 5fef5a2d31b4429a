#include "net/aws_settings.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "base/ascii.h"

namespace sluice {
namespace {

/// "[profile x]" in the config file and "[x]" in the credentials file mean x; "" for any other kind of section.
std::string_view profile_of_section(std::string_view section, bool is_config) {
  constexpr std::string_view kProfile = "profile ";
  if (!is_config || section == "default") return section;
  return section.starts_with(kProfile) ? trimmed(section.substr(kProfile.size())) : std::string_view();
}

std::string_view without_comment(std::string_view value) {
  const size_t comment = std::min(value.find(" #"), value.find(" ;"));
  return trimmed(value.substr(0, comment));
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

Result<AwsSettings> AwsSettings::load(Environment environment, std::string profile) {
  AwsSettings settings(std::move(environment), profile, !profile.empty());
  if (profile.empty()) settings.profile_ = settings.variable("AWS_PROFILE").value_or("");
  const bool is_named = !settings.profile_.empty();
  if (!is_named) settings.profile_ = "default";
  const std::string config = settings.file_path("AWS_CONFIG_FILE", "/.aws/config");
  const std::string credentials = settings.file_path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  const bool in_config = settings.read_file(config, true);
  const bool in_credentials = settings.read_file(credentials, false);
  if (is_named && !in_config && !in_credentials) {
    return invalid_input(fmt::format("there is no AWS profile \"{}\" in {} or {}", settings.profile_, config, credentials));
  }
  return settings;
}

std::optional<std::string> AwsSettings::variable(std::string_view name) const {
  std::optional<std::string> value = environment_(name);
  return value && !value->empty() ? value : std::nullopt;
}

std::optional<std::string> AwsSettings::profile_value(const std::string& key) const {
  const auto at = values_.find(key);
  return at == values_.end() || at->second.empty() ? std::nullopt : std::optional(at->second);
}

std::string AwsSettings::region() const {
  if (auto region = variable("AWS_REGION")) return *region;
  if (auto region = variable("AWS_DEFAULT_REGION")) return *region;
  return profile_value("region").value_or("");
}

std::string AwsSettings::endpoint_url(std::string_view service) const {
  if (auto url = variable(fmt::format("AWS_ENDPOINT_URL_{}", service))) return *url;
  if (auto url = variable("AWS_ENDPOINT_URL")) return *url;
  return profile_value("endpoint_url").value_or("");
}

std::string AwsSettings::file_path(std::string_view variable_name, std::string_view below_home) const {
  std::string path = variable(variable_name).value_or(fmt::format("~{}", below_home));
  if (path.starts_with("~/")) path = variable("HOME").value_or("") + path.substr(1);
  return path;
}

/// Whether the profile has a section in it.
bool AwsSettings::read_file(const std::string& path, bool is_config) {
  std::ifstream file(path);
  bool found = false;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#' || text.front() == ';') continue;
    if (text.front() == '[') {
      const std::string_view section = trimmed(text.substr(1, text.find(']') - 1));
      inside = profile_of_section(section, is_config) == profile_;
      found = found || inside;
      continue;
    }
    const bool is_nested = line.front() == ' ' || line.front() == '\t';  // "s3 =" and its keys below it
    const size_t equals = text.find('=');
    if (!inside || is_nested || equals == std::string_view::npos) continue;
    values_[std::string(trimmed(text.substr(0, equals)))] = without_comment(text.substr(equals + 1));
  }
  return found;
}

}  // namespace sluice
