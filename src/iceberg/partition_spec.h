// Partitioning as users write it, and partitions as folders. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "iceberg/table_metadata.h"
#include "iceberg/transform.h"
#include "schema/literal.h"
#include "schema/type.h"

namespace sluice {

struct PartitionBy {
  std::string column;  ///< dotted where it is a member of a struct
  Transform transform;
};

/// "day(ts)" (also "days(ts)"), "bucket(16, id)", "truncate(4, name)", "city". Transforms in any case.
Result<PartitionBy> parse_partition_by(std::string_view text);

/// Partition fields over `schema`, whose field ids are assigned: ids from 1000 on, named as Spark does (ts_day, id_bucket, name_trunc,
/// city). kInvalidInput: no such column, a transform that its type does not have, two fields that say the same or have the same name.
Result<std::vector<PartitionField>> make_partition_fields(const std::vector<std::string>& partition_by, const Schema& schema);

/// Whether a new table of these columns, which have no ids yet, can be partitioned so. Errors as of make_partition_fields().
Result<void> check_partition_by(const std::vector<std::string>& partition_by, Schema columns);

/// A partition field made ready for use.
struct BoundPartitionField {
  std::string name;
  int source_id = 0;
  TypePtr source_type;
  Transform transform;
};
/// kInvalidInput: an unknown transform, or a source column that `schema` does not have.
Result<std::vector<BoundPartitionField>> bind_spec(const PartitionSpec& spec, const Schema& schema);

/// A text of one path component is cut to this length: the path is for people, the values are in the manifest.
inline constexpr size_t kPartitionTextBytesMax = 120;

/// "ts_day=2024-01-31/city=New+York": names and values url-encoded as Java does. Empty without fields.
std::string partition_path(const std::vector<BoundPartitionField>& fields, const std::vector<Literal>& values);

}  // namespace sluice
