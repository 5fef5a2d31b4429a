#include "storage/listing_feed.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "storage/glob.h"
#include "storage/glob_walk.h"
#include "storage/local_path.h"
#include "storage/ready_filter.h"

namespace sluice {
namespace {

constexpr size_t kFeedPageFilesMax = 1000;

void add_by_name(ListedFile file, FeedPage& page) {
  const bool good = file.path.size() <= kFilePathBytesMax && is_utf8(file.path);
  (good ? page.files : page.bad_names).push_back(std::move(file));
}

class ListingFeed final : public FileFeed {
 public:
  ListingFeed(ObjectStore& store, ReadyFilter filter) : store_(store), filter_(std::move(filter)) {}

  void add(std::string as_given, Glob glob) { branches_.emplace_back(store_, filter_, std::move(as_given), std::move(glob)); }

  Result<FeedPage> next(Context& context) override {
    while (page_.files.size() + page_.bad_names.size() < kFeedPageFilesMax) {
      TRY_ASSIGN(Branch * branch, first_branch(context));
      if (branch == nullptr) {
        finish_last_page();
        break;
      }
      // Kept until it is decided on: an error on the way must not lose it.
      const ListedFile& file = *branch->head;
      TRY_ASSIGN(const bool wanted, decide(*branch, file, context));
      note_order(file.path);
      if (wanted) add_by_name(*std::exchange(branch->head, std::nullopt), page_);
      branch->head.reset();
    }
    page_.in_byte_order = in_byte_order_;
    for (const std::string& folder : filter_.take_passed_over()) {
      page_.warnings.push_back({ErrorCode::kInvalidInput, folder + " is passed over: tables have their own files there"});
    }
    return std::exchange(page_, FeedPage{});
  }

 private:
  struct Branch {
    Branch(ObjectStore& store, ReadyFilter& filter, std::string path, Glob pattern)
        : as_given(std::move(path)),
          glob(std::move(pattern)),
          walk(store, glob, [this, &filter](const Key& folder) { return filter.ignores(glob, folder); }) {}

    const std::string as_given;
    const Glob glob;
    GlobWalk walk;
    std::optional<ListedFile> head;
    bool ended = false;
    bool matched = false;
  };

  /// The branch with the least path at its head; nullptr: all ended.
  Result<Branch*> first_branch(Context& context) {
    Branch* first = nullptr;
    for (size_t i = 0; i < branches_.size(); ++i) {
      Branch& branch = branches_[i];
      if (!branch.head && !branch.ended) {
        begin_until(i + static_cast<size_t>(store_.lists_at_once()), context);
        TRY_ASSIGN(branch.head, branch.walk.next(context));
        branch.ended = !branch.head;
        in_byte_order_ = in_byte_order_ && branch.walk.in_byte_order();
        for (Error& warning : branch.walk.take_warnings()) page_.warnings.push_back(std::move(warning));
      }
      if (branch.head && (first == nullptr || branch.head->path < first->head->path)) first = &branch;
    }
    return first;
  }

  /// While one path waits for its first page, those of the next paths are under way.
  void begin_until(size_t end, Context& context) {
    for (; begun_ < std::min(end, branches_.size()); ++begun_) branches_[begun_].walk.begin_first(context);
  }

  Result<bool> decide(Branch& branch, const ListedFile& file, Context& context) {
    TRY_ASSIGN(const Readiness readiness, filter_.ask(branch.glob, file, context));
    if (readiness == Readiness::kIgnored) return false;
    branch.matched = true;
    // Order cannot be relied on here, memory of what was seen would grow: the first path that lets a file through owns it.
    for (const Branch& earlier : branches_) {
      if (&earlier == &branch) break;
      if (earlier.glob.matches(file.path) && !filter_.ignores(earlier.glob, file.path)) return false;
    }
    page_.waiting += readiness == Readiness::kWaiting;
    return readiness == Readiness::kReady;
  }

  void note_order(const std::string& path) {
    if (path < last_path_) in_byte_order_ = false;
    last_path_ = path;
  }

  void finish_last_page() {
    page_.last = true;
    for (const Branch& branch : branches_) {
      if (!branch.matched) page_.unmatched.push_back(branch.as_given);
    }
  }

  ObjectStore& store_;
  ReadyFilter filter_;
  std::deque<Branch> branches_;  // a deque: walks point at their branch
  size_t begun_ = 0;             // branches whose first page was asked for
  FeedPage page_;                // being filled; kept over errors
  std::string last_path_;
  bool in_byte_order_ = true;
};

class ExplicitFeed final : public FileFeed {
 public:
  ExplicitFeed(ObjectStore& store, std::vector<std::string> paths) : store_(store), paths_(std::move(paths)) {}

  Result<FeedPage> next(Context& context) override {
    while (next_ < paths_.size() && page_.files.size() + page_.bad_names.size() < kFeedPageFilesMax) {
      Result<ObjectInfo> object = store_.stat(paths_[next_], context);
      if (object) {
        add_by_name(*std::move(object), page_);
      } else if (object.error().code == ErrorCode::kNotFound || object.error().code == ErrorCode::kInvalidInput) {
        page_.warnings.push_back(std::move(object).error());
        page_.unmatched.push_back(paths_[next_]);
      } else {
        return std::unexpected(std::move(object).error());
      }
      ++next_;
    }
    page_.last = next_ == paths_.size();
    return std::exchange(page_, FeedPage{});
  }

 private:
  ObjectStore& store_;
  const std::vector<std::string> paths_;
  size_t next_ = 0;
  FeedPage page_;
};

}  // namespace

Result<std::unique_ptr<FileFeed>> make_listing_feed(ObjectStore& store, std::span<const std::string> paths, const Ready& ready,
                                                    Clock& clock, std::span<const std::string> own_folders) {
  TRY_ASSIGN(ReadyFilter filter, ReadyFilter::make(store, ready, clock, own_folders));
  auto feed = std::make_unique<ListingFeed>(store, std::move(filter));
  for (const std::string& path : paths) {
    TRY_ASSIGN(const std::string uri, absolute_uri(path));
    TRY_ASSIGN(Glob glob, Glob::parse(uri));
    feed->add(path, std::move(glob));
  }
  return feed;
}

Result<std::unique_ptr<FileFeed>> make_explicit_feed(ObjectStore& store, std::span<const std::string> paths) {
  std::vector<std::string> uris;
  for (const std::string& path : paths) {
    TRY_ASSIGN(std::string uri, absolute_uri(path));
    uris.push_back(std::move(uri));
  }
  std::sort(uris.begin(), uris.end());
  uris.erase(std::unique(uris.begin(), uris.end()), uris.end());
  return std::make_unique<ExplicitFeed>(store, std::move(uris));
}

}  // namespace sluice
