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
Result<std::optional<ListedFile>> GlobWalk::start(Context& context) {
  const std::string& text = glob_.text();
  if (!glob_.is_literal()) {
    push(Key(glob_.fixed_text()), glob_.below(glob_.fixed_folder()) == Below::kAnything);
    return std::nullopt;
  }
  if (text.ends_with('/')) {
    push(text, true);
    return std::nullopt;
  }
  Result<ObjectInfo> object = store_.stat(text, context);
  const bool is_no_file = !object && (object.error().code == ErrorCode::kNotFound || object.error().code == ErrorCode::kInvalidInput);
  if (!object && !is_no_file) return std::unexpected(std::move(object).error());
  push(text + "/", true);
  if (!object) return std::nullopt;
  return *std::move(object);
}

void GlobWalk::push(Key prefix, bool flat) {
  Frame& frame = frames_.emplace_back();
  frame.request = {.prefix = std::move(prefix), .delimiter = !flat, .limit = kListEntriesMax};
}

Result<bool> GlobWalk::fill(Frame& frame, Context& context) {
  if (frame.started && frame.page.next_token.empty()) return false;
  frame.request.token = frame.page.next_token;
  TRY_ASSIGN(frame.page, store_.list(frame.request, context));
  frame.started = true;
  frame.next_object = frame.next_prefix = 0;
  in_byte_order_ = in_byte_order_ && frame.page.in_byte_order;
  for (Error& warning : frame.page.warnings) warnings_.push_back(std::move(warning));
  return true;
}

void GlobWalk::enter(const Key& folder) {
  const Below below = glob_.below(folder);
  if (below != Below::kNothing && !skip_folder_(folder)) push(folder, below == Below::kAnything);
}

}  // namespace sluice
