// Containers: files whose members are files of their own: archives, and SQL dumps where every table becomes an object.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "archives/member_pass.h"
#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "model/ingestion.h"

namespace sluice {

/// What must be read here and there, but comes from an archive from front to back, is held in memory up to this size, else TooLarge.
inline constexpr int64_t kHeldMemberBytesMax = 256 * kMiB;

/// How to go through one container. Immutable.
class Container {
 public:
  virtual ~Container() = default;
  virtual std::string_view format() const = 0;  ///< "zip", "tar.gz", "sql": file_format of its record
  /// Its members are files that somebody packed: they are chosen by name, and one that is a container again is opened only where that is
  /// wanted. Else all of them are wanted.
  virtual bool is_archive() const = 0;
  /// Its bytes are read here and there.
  virtual bool needs_random_access() const = 0;
  /// A member can be had without reading those before it, so that several passes at once pay.
  virtual bool members_apart() const = 0;
  /// The blob must outlive the pass.
  virtual Result<std::unique_ptr<MemberPass>> open(Blob& blob, Context& context) const = 0;
};

/// nullptr: the file is no container. By content; what is compressed is looked into. A dump is one where `source` wants every table and it
/// has any (kEverySqlTable). Errors are those of reading.
Result<std::unique_ptr<const Container>> find_container(const Source& source, std::string_view path, Blob& blob, Context& context);
/// The same of a file held whole.
Result<std::unique_ptr<const Container>> find_container(const Source& source, std::string_view path, std::string_view bytes,
                                                        Context& context);

/// The same container where its bytes come from front to back, or are to be read whole: nothing of them is jumped over, and a pass that
/// comes to its end has read them all. One that needs random access stays as it is.
std::unique_ptr<const Container> read_in_order(std::unique_ptr<const Container> container);

/// Whether a file that was read as this may have been a container.
bool may_have_members(std::string_view format);

/// The blob's bytes in memory; TooLarge above kHeldMemberBytesMax.
Result<std::unique_ptr<Blob>> hold_in_memory(Blob& blob, Context& context);

}  // namespace sluice
