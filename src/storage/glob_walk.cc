#include "storage/glob_walk.h"

#include <utility>

namespace sluice {
namespace {

constexpr int64_t kListEntriesMax = 1000;  // of one page

}  // namespace

Result<std::optional<ListedFile>> GlobWalk::next(Context& context) {
  if (!started_) {
    TRY_ASSIGN(std::optional<ListedFile> file, start(context));
    started_ = true;
    if (file) return file;
  }
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.page_is_used_up()) {
      TRY_ASSIGN(const bool more, fill(frame, context));
      if (!more) frames_.pop_back();
      continue;
    }
    const bool objects_left = frame.next_object < frame.page.objects.size();
    const bool prefixes_left = frame.next_prefix < frame.page.prefixes.size();
    // A page keeps files and folders apart; byte order mixes them.
    if (objects_left && (!prefixes_left || frame.page.objects[frame.next_object].path < frame.page.prefixes[frame.next_prefix])) {
      ListedFile& file = frame.page.objects[frame.next_object++];
      if (glob_.matches(file.path)) return std::move(file);
    } else {
      enter(Key(frame.page.prefixes[frame.next_prefix++]));
    }
  }
  return std::nullopt;
}

/// A path without pattern may be a file, a folder or, in an object store, both.
bool GlobWalk::may_be_file() const { return glob_.is_literal() && !glob_.text().ends_with('/'); }

ListRequest GlobWalk::first_request() const {
  if (!glob_.is_literal()) return request_of(Key(glob_.fixed_text()), glob_.below(glob_.fixed_folder()) == Below::kAnything);
  return request_of(may_be_file() ? glob_.text() + "/" : glob_.text(), true);
}

void GlobWalk::begin_first(Context& context) {
  if (started_ || store_.lists_at_once() <= 1) return;
  if (may_be_file()) {
    file_ahead_ = std::async(std::launch::async, [this, context]() mutable { return store_.stat(glob_.text(), context); });
  }
  begin(first_request(), context);
}

Result<std::optional<ListedFile>> GlobWalk::start(Context& context) {
  std::optional<ListedFile> file;
  if (may_be_file()) {
    Result<ObjectInfo> object = file_ahead_.valid() ? file_ahead_.get() : store_.stat(glob_.text(), context);
    const bool is_no_file = !object && (object.error().code == ErrorCode::kNotFound || object.error().code == ErrorCode::kInvalidInput);
    if (!object && !is_no_file) return std::unexpected(std::move(object).error());
    if (object) file = *std::move(object);
  }
  push(first_request());
  return file;
}

ListRequest GlobWalk::request_of(Key prefix, bool flat) {
  return {.prefix = std::move(prefix), .delimiter = !flat, .limit = kListEntriesMax};
}

Result<bool> GlobWalk::fill(Frame& frame, Context& context) {
  if (frame.started && frame.page.next_token.empty()) return false;
  frame.request.token = frame.page.next_token;
  const auto under_way = ahead_.find({frame.request.prefix, frame.request.token});
  if (under_way == ahead_.end()) {
    TRY_ASSIGN(frame.page, store_.list(frame.request, context));
  } else {
    Result<ListPage> page = under_way->second.get();
    ahead_.erase(under_way);
    TRY_ASSIGN(frame.page, std::move(page));
  }
  frame.started = true;
  frame.next_object = frame.next_prefix = 0;
  in_byte_order_ = in_byte_order_ && frame.page.in_byte_order;
  for (Error& warning : frame.page.warnings) warnings_.push_back(std::move(warning));
  look_ahead(context);
  return true;
}

bool GlobWalk::wants(const Key& folder) { return glob_.below(folder) != Below::kNothing && !skip_folder_(folder); }

void GlobWalk::enter(const Key& folder) {
  if (wants(folder)) push(request_of(folder, glob_.below(folder) == Below::kAnything));
}

/// In the order in which they will be wanted: the innermost frame first.
void GlobWalk::look_ahead(Context& context) {
  if (store_.lists_at_once() <= 1) return;
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    ListRequest next_page = frame->request;
    next_page.token = frame->page.next_token;
    if (frame->started && !next_page.token.empty()) begin(std::move(next_page), context);
    for (size_t i = frame->next_prefix; i < frame->page.prefixes.size(); ++i) {
      if (static_cast<int>(ahead_.size()) >= store_.lists_at_once()) return;
      const Key& folder = frame->page.prefixes[i];
      if (wants(folder)) begin(request_of(folder, glob_.below(folder) == Below::kAnything), context);
    }
  }
}

void GlobWalk::begin(ListRequest request, Context& context) {
  std::pair<Key, std::string> place{request.prefix, request.token};
  if (ahead_.contains(place)) return;
  ahead_.emplace(std::move(place), std::async(std::launch::async, [this, request = std::move(request), context]() mutable {
                   return store_.list(request, context);
                 }));
}

}  // namespace sluice
