// One walk over a local folder in byte order of full paths, page by page. Holds the names of the folders on its way down and one
// descriptor. Follows links to files; names links to folders in a warning and does not enter them, so it cannot loop. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/object_store.h"
#include "storage/posix_file.h"

namespace sluice {

class LocalListing {
 public:
  /// Paths, not URIs. A folder that does not exist lists as empty; kInvalidInput: the first folder may not be read.
  static Result<std::unique_ptr<LocalListing>> open(std::string_view prefix, std::string_view start_after, bool delimiter);

  /// Appends up to `limit` entries to `page`; false: that was the end.
  Result<bool> fill(ListPage& page, int64_t limit, Context& context);

  /// The path listed last; a listing that starts after it goes on where this one stands.
  const std::string& last() const { return last_; }

 private:
  struct Entry {
    uint64_t rank = 0;    // the eight bytes behind what all names of the folder share: most comparisons end here
    uint32_t offset = 0;  // into Folder::names
    uint16_t length = 0;  // with the final '/' of a folder
    bool is_folder = false;
  };
  struct Folder {
    std::string names;
    std::vector<Entry> entries;
    size_t next = 0;
    size_t path_length = 0;  // of path_, up to and including this folder's '/'

    std::string_view name(const Entry& entry) const { return {names.data() + entry.offset, entry.length}; }
  };

  LocalListing(std::string_view start_after, bool delimiter) : start_after_(start_after), delimiter_(delimiter), last_(start_after) {}

  Result<void> enter(std::string path, std::string_view name_prefix, bool first);
  Result<void> read_names(Folder& folder, std::string_view name_prefix);
  void classify_link(const char* name, bool& is_folder, bool& keep);
  void sort(Folder& folder) const;
  bool already_listed(std::string_view path, bool is_folder) const;
  Result<void> add_file(ListPage& page);
  Result<void> need_descriptor();
  void leave_finished_folders();
  void warn(Error error) { warnings_.push_back(std::move(error)); }

  const std::string start_after_;
  const bool delimiter_;
  std::vector<Folder> folders_;
  std::string path_;
  std::string last_;
  Fd fd_;                        // of the innermost folder; one per walk, however deep it is
  std::vector<Error> warnings_;  // not yet on a page
};

}  // namespace sluice
