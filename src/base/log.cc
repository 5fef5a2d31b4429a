#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace sluice {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "";
}

/// How many bytes the UTF-8 character at the front takes; 0: it is none.
size_t character_bytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (length == 0 || lead >= 0xf5 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  while (!text.empty()) {
    const size_t length = character_bytes(text);
    const char c = text.front();
    if (length == 0) {
      line += '?';
    } else if (c == '"' || c == '\\') {
      line += '\\', line += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      line += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      line += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  line += '"';
}

}  // namespace

Log::Log(Clock& clock, const Redaction& redaction) : clock_(clock), redaction_(redaction) {
  lines_ = std::make_shared<spdlog::logger>("sluice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  lines_->set_pattern("%v");
  lines_->flush_on(spdlog::level::trace);
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  lines_->info("{}", redaction_.apply(log_line(clock_.now(), level, event, fields)));
}

std::string log_line(Timestamp at, LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = fmt::format("{{\"at\":\"{}\",\"level\":\"{}\",\"event\":", to_text(at), name_of(level));
  append_quoted(line, event);
  for (const LogField& field : fields) {
    line += ',';
    append_quoted(line, field.name);
    line += ':';
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
            append_quoted(line, value);
          } else {
            line += fmt::format("{}", value);
          }
        },
        field.value);
  }
  return line + '}';
}

}  // namespace sluice
