// The objects of a store that one glob matches, listed flat where everything below may match and folder by folder where not.
// In byte order where the store's pages are. Where listings wait for a network, the next ones are under way meanwhile: the next page, and
// the first pages of the folders that come next. Not thread-safe.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/glob.h"
#include "storage/object_store.h"

namespace sluice {

class GlobWalk {
 public:
  /// The store and the glob must outlive the walk; `skip_folder(key)` says which folders (ending in "/") need not be entered.
  GlobWalk(ObjectStore& store, const Glob& glob, std::function<bool(const Key&)> skip_folder)
      : store_(store), glob_(glob), skip_folder_(std::move(skip_folder)) {}

  /// Begins what next() will wait for first, where listings wait for a network.
  void begin_first(Context& context);
  /// nullopt: the end. After an error the walk goes on where it stopped.
  Result<std::optional<ListedFile>> next(Context& context);
  bool in_byte_order() const { return in_byte_order_; }
  std::vector<Error> take_warnings() { return std::move(warnings_); }

 private:
  /// One prefix being listed; frames above it wait.
  struct Frame {
    ListRequest request;
    ListPage page;
    size_t next_object = 0;
    size_t next_prefix = 0;
    bool started = false;

    bool page_is_used_up() const { return next_object == page.objects.size() && next_prefix == page.prefixes.size(); }
  };

  Result<std::optional<ListedFile>> start(Context& context);
  bool may_be_file() const;
  ListRequest first_request() const;
  static ListRequest request_of(Key prefix, bool flat);
  void push(ListRequest request) { frames_.emplace_back().request = std::move(request); }
  Result<bool> fill(Frame& frame, Context& context);
  bool wants(const Key& folder);
  void enter(const Key& folder);
  void look_ahead(Context& context);
  void begin(ListRequest request, Context& context);

  ObjectStore& store_;
  const Glob& glob_;
  const std::function<bool(const Key&)> skip_folder_;
  std::vector<Frame> frames_;
  std::map<std::pair<Key, std::string>, std::future<Result<ListPage>>> ahead_;  // pages under way, by prefix and token
  std::future<Result<ObjectInfo>> file_ahead_;                                  // under way, if valid: whether the path is a file
  std::vector<Error> warnings_;
  bool started_ = false;
  bool in_byte_order_ = true;
};

}  // namespace sluice
