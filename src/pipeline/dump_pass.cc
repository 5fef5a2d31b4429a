#include "pipeline/dump_pass.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "archives/member_budget.h"
#include "archives/member_names.h"
#include "archives/window_blob.h"
#include "formats/decompress.h"
#include "formats/sql_extract.h"
#include "formats/sql_listing.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kBlockBytes = 128 * kKiB;
constexpr int64_t kDumpReadsMax = 64;    // in one pass over its tables
constexpr int64_t kJumpBytesMin = kMiB;  // less is read through: a new range costs a request where the store is far away

/// Bytes of a dump at any place, read forward as far as that goes.
class DumpBytes {
 public:
  DumpBytes(Blob& blob, bool compressed) : blob_(blob), compressed_(compressed) {}

  /// At least one byte where there is one.
  Result<size_t> read(int64_t offset, std::span<char> into, Context& context) {
    TRY(reach(offset, context));
    const int64_t there = end() - offset;
    if (there <= 0) return 0;
    const size_t count = std::min(into.size(), static_cast<size_t>(there));
    std::copy_n(kept_.data() + (offset - begin_), count, into.data());
    return count;
  }

 private:
  int64_t end() const { return begin_ + std::ssize(kept_); }

  /// Until the byte at `offset` is kept, or the dump ends before it.
  Result<void> reach(int64_t offset, Context& context) {
    const bool can_jump = !compressed_ && offset - end() > kJumpBytesMin;
    if (!source_ || offset < begin_ || can_jump) TRY(open_at(compressed_ ? 0 : offset, context));
    while (offset >= end()) {
      TRY(context.check());
      TRY_ASSIGN(const bool more, read_on(context));
      if (!more) break;
    }
    return {};
  }

  Result<void> open_at(int64_t offset, Context& context) {
    kept_.clear();
    begin_ = offset;
    if (compressed_) {
      TRY_ASSIGN(source_, open_decompressed(blob_, {}, context));
    } else {
      TRY_ASSIGN(source_, blob_.open({offset, -1}, context));
    }
    return {};
  }

  Result<bool> read_on(Context& context) {
    if (std::ssize(kept_) >= 2 * kReopenBytesMax) {
      const size_t old = kept_.size() - static_cast<size_t>(kReopenBytesMax);
      kept_.erase(0, old);
      begin_ += static_cast<int64_t>(old);
    }
    const size_t before = kept_.size();
    kept_.resize(before + kBlockBytes);
    const auto got = source_->read(std::span(kept_).subspan(before), context);
    kept_.resize(before + got.value_or(0));
    TRY(got);
    return *got > 0;
  }

  Blob& blob_;
  const bool compressed_;
  std::unique_ptr<ByteSource> source_;
  std::string kept_;
  int64_t begin_ = 0;  // of it
};

/// Part of a table as a file: text of ours, then bytes of the dump.
struct Part {
  std::string content;  // that tells this table's content from another
  std::string place;    // that does not: where it lies
  std::string text;     // content again
  ByteRange range = {0, 0};
  std::string end;

  int64_t size_bytes() const { return std::ssize(content) + std::ssize(place) + std::ssize(text) + range.length + std::ssize(end); }
};

/// Its parts, one at a time: of what there may be many of, the pieces, no text is kept.
class Parts {
 public:
  Parts(const SqlTableEntry& table, DumpDialect dialect) : table_(table), dialect_(dialect) {}

  size_t count() const { return 2 + table_.rows.size(); }
  Part operator[](size_t index) const {
    if (index == 0) return {.content = sql_extract_line(dialect_)};
    if (index == 1) {
      if (table_.definition.empty()) return {};
      Part part = begin_piece(table_.definition_piece);
      part.text = table_.definition + ";\n";
      return part;
    }
    const SqlPiece& piece = table_.rows[index - 2];
    Part part = begin_piece(piece);
    part.range = piece.range;
    part.end = "\n";
    return part;
  }

 private:
  static Part begin_piece(const SqlPiece& piece) {
    return {.content = piece.settings, .place = sql_place_line({piece.line, piece.range.offset})};
  }

  const SqlTableEntry& table_;
  const DumpDialect dialect_;
};

/// What tells a table's content: its size and the hash of what was shown to it.
class TableSum {
 public:
  TableSum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
  void add(std::string_view bytes) {
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
    size_bytes_ += bytes.size();
  }
  std::string version() const { return fmt::format("{}-{:016x}", size_bytes_, XXH3_64bits_digest(state_.get())); }

 private:
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  const std::unique_ptr<XXH3_state_t, FreeState> state_;
  size_t size_bytes_ = 0;
};

/// A table's bytes from front to back; `version`: what they must come to (empty: anything).
class TableSource final : public ByteSource {
 public:
  TableSource(DumpBytes& dump, Parts parts, std::string version) : dump_(dump), parts_(parts), version_(std::move(version)) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size()) {
      TRY_ASSIGN(const size_t count, read_part(into.subspan(filled), context));
      filled += count;
      if (count > 0) continue;
      if (next_part_ == parts_.count()) break;
      begin_part();
    }
    // Before the last bytes are handed out: nobody may take them for the version that was asked for.
    const bool at_end = next_part_ == parts_.count() && text_at_ == text_.size() && range_.length == 0 && end_at_ == end_.size();
    if (at_end && !version_.empty() && sum_.version() != version_) {
      return std::unexpected(Error{ErrorCode::kConflict, "the dump holds another version of it now; it is looked at again",
                                   std::string(error_type::kChangedWhileRead)});
    }
    return filled;
  }

  std::string version() const { return sum_.version(); }

 private:
  void begin_part() {
    Part part = parts_[next_part_++];
    sum_.add(part.content);
    sum_.add(part.text);
    text_ = part.content + part.place + part.text;
    range_ = part.range;
    end_ = std::move(part.end);
    text_at_ = end_at_ = 0;
  }

  /// 0: the part is at its end.
  Result<size_t> read_part(std::span<char> into, Context& context) {
    if (text_at_ < text_.size()) return copy(text_, text_at_, into);
    if (range_.length > 0) {
      const auto wanted = into.first(std::min(into.size(), static_cast<size_t>(range_.length)));
      TRY_ASSIGN(const size_t count, dump_.read(range_.offset, wanted, context));
      if (count == 0) {
        return std::unexpected(
            Error{ErrorCode::kConflict, "the dump became shorter while it was read", std::string(error_type::kChangedWhileRead)});
      }
      sum_.add({into.data(), count});
      range_.offset += static_cast<int64_t>(count);
      range_.length -= static_cast<int64_t>(count);
      return count;
    }
    return copy(end_, end_at_, into);
  }

  static size_t copy(const std::string& from, size_t& at, std::span<char> into) {
    const size_t count = std::min(into.size(), from.size() - at);
    std::copy_n(from.data() + at, count, into.data());
    at += count;
    return count;
  }

  DumpBytes& dump_;
  const Parts parts_;
  const std::string version_;
  size_t next_part_ = 0;
  std::string text_, end_;
  size_t text_at_ = 0, end_at_ = 0;
  ByteRange range_ = {0, 0};
  TableSum sum_;
};

/// Of another source: bytes from an offset on, so many.
class RangeSource final : public ByteSource {
 public:
  RangeSource(std::unique_ptr<ByteSource> source, ByteRange range) : source_(std::move(source)), range_(range) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    std::vector<char> passed(static_cast<size_t>(std::min<int64_t>(range_.offset, kBlockBytes)));
    while (range_.offset > 0) {
      const auto wanted = std::min<int64_t>(range_.offset, std::ssize(passed));
      TRY_ASSIGN(const size_t count, source_->read(std::span(passed).first(static_cast<size_t>(wanted)), context));
      if (count == 0) return 0;
      range_.offset -= static_cast<int64_t>(count);
    }
    const size_t wanted = range_.length < 0 ? into.size() : std::min(into.size(), static_cast<size_t>(range_.length));
    TRY_ASSIGN(const size_t count, source_->read(into.first(wanted), context));
    if (range_.length > 0) range_.length -= static_cast<int64_t>(count);
    return count;
  }

 private:
  const std::unique_ptr<ByteSource> source_;
  ByteRange range_;
};

class TableBlob final : public Blob {
 public:
  TableBlob(DumpBytes& dump, Parts parts, int64_t size_bytes, std::string version)
      : dump_(dump), parts_(parts), size_bytes_(size_bytes), version_(std::move(version)) {}

  int64_t size_bytes() const override { return size_bytes_; }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context&) override {
    auto all = std::make_unique<TableSource>(dump_, parts_, version_);
    if (range.offset == 0 && (range.length < 0 || range.length >= size_bytes_)) return all;
    return std::make_unique<RangeSource>(std::move(all), range);
  }

 private:
  DumpBytes& dump_;
  const Parts parts_;
  const int64_t size_bytes_;
  const std::string version_;
};

/// How many bytes of the dump are read for all of its tables, one after another. Of what was read at least kReopenBytesMax are kept.
int64_t bytes_of_pass(const SqlListing& listing, bool compressed) {
  int64_t read = 0, at = 0;
  for (const SqlTableEntry& table : listing.tables) {
    for (const SqlPiece& piece : table.rows) {
      const int64_t begin = piece.range.offset, end = begin + piece.range.length;
      const bool jumps = begin < at ? begin < at - kReopenBytesMax : !compressed && begin - at > kJumpBytesMin;
      if (jumps) at = compressed ? 0 : begin;
      read += std::max<int64_t>(0, end - at);
      at = std::max(at, end);
    }
  }
  return read;
}

class DumpPass final : public MemberPass {
 public:
  DumpPass(Blob& dump, bool compressed, SqlListing listing)
      : dump_(dump, compressed), compressed_(compressed), listing_(in_order_of_rows(std::move(listing))), budget_(dump.size_bytes()) {}

  /// Tables whose rows take turns all over a dump are each read from nearly all of it.
  Result<void> check_order() const {
    int64_t size = 0;
    for (const SqlTableEntry& table : listing_.tables) {
      if (!table.rows.empty()) size = std::max(size, table.rows.back().range.offset + table.rows.back().range.length);
    }
    if (bytes_of_pass(listing_, compressed_) / kDumpReadsMax <= size) return {};
    return std::unexpected(archive_too_large(
        fmt::format("rows of its tables take turns all over the dump, so that it would be read more than {} times; convert its tables one "
                    "by one (--sql-table NAME), or dump them one after another",
                    kDumpReadsMax)));
  }

  Result<std::optional<Member>> next(Context&) override {
    if (next_ == listing_.tables.size()) return std::nullopt;
    const SqlTableEntry& table = listing_.tables[next_++];
    Member member;
    const Parts parts(table, listing_.dialect);
    for (size_t i = 0; i < parts.count(); ++i) member.size_bytes += parts[i].size_bytes();
    TRY(budget_.take(member.size_bytes));
    names_.set_name(member, file_name(table.name.text()));
    size_bytes_ = member.size_bytes;
    return member;
  }

  Result<std::string> version(Context& context) override {
    TableSource source(dump_, parts(), "");
    std::vector<char> block(kBlockBytes);
    for (size_t got = block.size(); got > 0;) {
      TRY_ASSIGN(got, source.read(block, context));
    }
    return source.version();
  }

  Result<MemberBytes> open(const std::string& version, Context&) override {
    return MemberBytes{std::make_unique<TableBlob>(dump_, parts(), size_bytes_, version), !compressed_};
  }

 private:
  /// So that a compressed dump is read forward.
  static SqlListing in_order_of_rows(SqlListing listing) {
    std::ranges::stable_sort(listing.tables, {},
                             [](const SqlTableEntry& table) { return table.rows.empty() ? 0 : table.rows.front().range.offset; });
    return listing;
  }

  /// A slash in a table's name makes no folder.
  static std::string file_name(std::string_view table) {
    std::string name;
    for (const char c : table) name += c == '/' ? "%2F" : std::string(1, c);
    return name;
  }

  Parts parts() const { return {listing_.tables[next_ - 1], listing_.dialect}; }

  DumpBytes dump_;
  const bool compressed_;
  const SqlListing listing_;
  MemberBudget budget_;
  MemberNames names_;
  size_t next_ = 0;
  int64_t size_bytes_ = 0;  // of the table at hand
};

}  // namespace

Result<std::unique_ptr<MemberPass>> open_sql_dump(Blob& dump, bool compressed, const SqlOptions& options, Context& context) {
  TRY_ASSIGN(auto bytes, open_decompressed(dump, {}, context));
  TRY_ASSIGN(SqlListing listing, list_sql_tables(std::move(bytes), options, context));
  auto pass = std::make_unique<DumpPass>(dump, compressed, std::move(listing));
  TRY(pass->check_order());
  return pass;
}

}  // namespace sluice
