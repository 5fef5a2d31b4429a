// Events as JSON lines for machines: {"at", "level", "event", ...fields}. Thread-safe. Secrets never get out, whoever puts them into a
// message (base/redaction.h).
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/redaction.h"

namespace spdlog {
class logger;
}

namespace sluice {

enum class LogLevel { kInfo, kWarning, kError };

struct LogField {
  std::string_view name;
  std::variant<std::string, int64_t, double, bool> value;
};

class Log {
 public:
  /// Lines go to standard error. Both must outlive the log.
  Log(Clock& clock, const Redaction& redaction);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

 private:
  Clock& clock_;
  const Redaction& redaction_;
  std::shared_ptr<spdlog::logger> lines_;
};

/// One line of JSON without its end, as write() makes it. Bytes that are no UTF-8 become "?".
std::string log_line(Timestamp at, LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

}  // namespace sluice
