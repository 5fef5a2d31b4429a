#include "pipeline/discovery.h"

#include <fmt/format.h>

#include <unordered_map>

#include "base/utf8.h"
#include "pipeline/publish.h"

namespace sluice {
namespace {

constexpr size_t kShownNameBytesMax = 1900;  // of a name that cannot be kept as it is: with its ending below kFilePathBytesMax

/// A name as text: bytes that are no UTF-8 as \xNN, cut where it is too long.
std::string printable(std::string_view name) {
  std::string text;
  for (size_t at = 0; at < name.size();) {
    if (text.size() > kShownNameBytesMax) return text + "...";
    const CodePoint point = code_point_at(name, at);
    text += point.valid ? std::string(name.substr(at, point.length)) : fmt::format("\\x{:02x}", static_cast<unsigned char>(name[at]));
    at += point.length;
  }
  return text;
}

/// Collects what is new and hands it on in chunks.
class Finder {
 public:
  Finder(const Ingestion& ingestion, const TakeSeen& take, const TakeUnseen& take_unseen)
      : ingestion_(ingestion), take_(take), take_unseen_(take_unseen) {}

  Result<void> file(const ListedFile& listed, const KnownFile* known) {
    ++found_.found;
    if (known && known->version == listed.version) {
      ++found_.unchanged;
      return {};
    }
    Seen seen{listed, known ? std::optional(known->version) : std::nullopt, "", ""};
    if (!known && ingestion_.start_from && listed.modified_at < *ingestion_.start_from) {
      seen.skip_reason = error_type::kBaseline;
      seen.skip_message =
          fmt::format("last changed {}, before start_from {}", to_text(listed.modified_at), to_text(*ingestion_.start_from));
    } else {
      found_.bytes += listed.size_bytes;
    }
    ++(known ? found_.changed : found_.added);
    chunk_.push_back(std::move(seen));
    return chunk_.size() < kDiscoveredFilesMax ? Result<void>{} : flush();
  }

  bool wants_unseen() const { return take_unseen_ != nullptr; }
  Result<void> unseen(const KnownFile& known) { return take_unseen_ ? take_unseen_(known) : Result<void>{}; }

  /// What else a page says: warnings, and files whose names the ledger cannot keep. Those are recorded by their printable form.
  Result<void> take_remarks(FeedPage& page) {
    found_.not_ready += page.waiting;
    for (const Error& warning : page.warnings) found_.warnings.push_back(warning.message);
    for (ListedFile& listed : page.bad_names) {
      ++found_.found;
      listed.path = printable(listed.path);
      const std::string why = fmt::format("its path is longer than {} bytes or no valid UTF-8; rename it to load it", kFilePathBytesMax);
      found_.warnings.push_back(fmt::format("{}: {}", listed.path, why));
      chunk_.push_back({std::move(listed), std::nullopt, std::string(error_type::kBadName), why});
      if (chunk_.size() >= kDiscoveredFilesMax) TRY(flush());
    }
    return {};
  }

  Result<Discovered> finish() {
    TRY(flush());
    return found_;
  }

 private:
  Result<void> flush() {
    if (chunk_.empty()) return {};
    TRY(take_(std::exchange(chunk_, {})));
    return {};
  }

  const Ingestion& ingestion_;
  const TakeSeen& take_;
  const TakeUnseen& take_unseen_;
  std::vector<Seen> chunk_;
  Discovered found_;
};

/// nullopt: the feed turned out not to be in byte order; what was handed on so far stays true (recording is compare-and-set).
Result<std::optional<Discovered>> merge(FileFeed& feed, KnownFiles& known, Finder& finder, Context& context) {
  TRY_ASSIGN(auto next_known, known.next());
  std::string last_path;
  for (bool last = false; !last;) {
    TRY_ASSIGN(FeedPage page, feed.next(context));
    if (!page.in_byte_order) return std::nullopt;
    TRY(finder.take_remarks(page));
    last = page.last;
    for (const ListedFile& listed : page.files) {
      if (listed.path <= last_path && !last_path.empty()) return std::nullopt;
      last_path = listed.path;
      while (next_known && next_known->path < listed.path) {
        TRY(finder.unseen(*next_known));
        TRY_ASSIGN(next_known, known.next());
      }
      const bool match = next_known && next_known->path == listed.path;
      TRY(finder.file(listed, match ? &*next_known : nullptr));
      if (match) {
        TRY_ASSIGN(next_known, known.next());
      }
    }
  }
  while (next_known && finder.wants_unseen()) {
    TRY(finder.unseen(*next_known));
    TRY_ASSIGN(next_known, known.next());
  }
  TRY_ASSIGN(Discovered found, finder.finish());
  return found;
}

/// Memory: about 150 bytes a known file of this source. Only for stores that list out of order.
Result<Discovered> look_up(FileFeed& feed, KnownFiles& known, Finder& finder, Context& context) {
  std::unordered_map<std::string, KnownFile> by_path;
  for (;;) {
    TRY_ASSIGN(auto file, known.next());
    if (!file) break;
    std::string path = file->path;
    by_path.emplace(std::move(path), *std::move(file));
  }
  for (bool last = false; !last;) {
    TRY_ASSIGN(FeedPage page, feed.next(context));
    TRY(finder.take_remarks(page));
    last = page.last;
    for (const ListedFile& listed : page.files) {
      const auto it = by_path.find(listed.path);
      TRY(finder.file(listed, it == by_path.end() ? nullptr : &it->second));
      if (it != by_path.end()) by_path.erase(it);
    }
  }
  for (const auto& [path, file] : by_path) TRY(finder.unseen(file));
  return finder.finish();
}

}  // namespace

Discovered& Discovered::operator+=(const Discovered& other) {
  found += other.found, unchanged += other.unchanged, added += other.added, changed += other.changed;
  ignored += other.ignored, skipped += other.skipped, not_ready += other.not_ready, bytes += other.bytes;
  warnings.insert(warnings.end(), other.warnings.begin(), other.warnings.end());
  return *this;
}

Result<Discovered> compare(const MakeFeed& make_feed, WorkLedger& ledger, const Ingestion& ingestion, const SourceId& source,
                           const TakeSeen& take, Context& context, const TakeUnseen& take_unseen) {
  {
    TRY_ASSIGN(auto feed, make_feed(context));
    TRY_ASSIGN(auto known, ledger.known_files(ingestion.id, source));
    Finder finder(ingestion, take, take_unseen);
    TRY_ASSIGN(auto merged, merge(*feed, *known, finder, context));
    if (merged) return *std::move(merged);
  }
  TRY_ASSIGN(auto feed, make_feed(context));
  TRY_ASSIGN(auto known, ledger.known_files(ingestion.id, source));
  Finder finder(ingestion, take, take_unseen);
  return look_up(*feed, *known, finder, context);
}

Result<Discovered> discover(const MakeFeed& make_feed, WorkLedger& ledger, Clock& clock, const Ingestion& ingestion, const SourceId& source,
                            const RunId& run, Context& context) {
  const DiscoverRequest request{ingestion.id, source, run, ingestion.on_change, {}, ingestion.parquet.has_value()};
  Discovered recorded;
  int64_t elsewhere = 0, elsewhere_bytes = 0;  // counted where their own source lists them
  auto record = [&](std::vector<Seen> files) -> Result<void> {
    TRY_ASSIGN(const DiscoverResult result, settle_ledger_write(clock, context, [&] { return ledger.record_discovered(request, files); }));
    recorded.added += result.added, recorded.changed += result.changed;
    recorded.ignored += result.ignored, recorded.skipped += result.skipped;
    elsewhere += result.elsewhere, elsewhere_bytes += result.elsewhere_bytes;
    return {};
  };
  TRY_ASSIGN(Discovered found, compare(make_feed, ledger, ingestion, source, record, context));
  found.added = recorded.added, found.changed = recorded.changed;
  found.ignored = recorded.ignored, found.skipped = recorded.skipped;
  found.found -= elsewhere, found.bytes -= elsewhere_bytes;
  return found;
}

}  // namespace sluice
