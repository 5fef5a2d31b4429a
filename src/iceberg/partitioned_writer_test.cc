#include "iceberg/partitioned_writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "parquet/test_tables.h"
#include "storage/memory_store.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Schema rows_schema() {
  Schema schema;
  schema.fields = {{1, "id", false, make_type(TypeId::kLong)}, {2, "city", false, make_type(TypeId::kString)}};
  return schema;
}

class PartitionedWriterTest : public testing::Test {
 protected:
  std::unique_ptr<PartitionedWriter> open(const std::vector<std::string>& partition_by,
                                          const std::map<std::string, std::string>& properties = {},
                                          const PartitionedWriterLimits& limits = {}) {
    TableMetadata metadata;
    metadata.location = "mem://t/table";
    metadata.properties = properties;
    metadata.schemas = {schema_};
    auto fields = make_partition_fields(partition_by, schema_);
    EXPECT_TRUE(fields) << fields.error().message;
    metadata.specs = {{0, *fields}};
    auto writer = open_partitioned_writer(store_, metadata, schema_, options_, "batch-1", limits);
    EXPECT_TRUE(writer) << writer.error().message;
    return std::move(*writer);
  }

  /// Rows `first`.. with random ids, their city chosen by `city`.
  template <class City>
  std::shared_ptr<arrow::RecordBatch> rows(int64_t first, int64_t count, const City& city) {
    arrow::Int64Builder ids;
    arrow::StringBuilder cities;
    for (int64_t i = first; i < first + count; ++i) {
      EXPECT_TRUE(ids.Append(i * 7919).ok());
      EXPECT_TRUE(cities.Append(city(i)).ok());
    }
    return arrow::RecordBatch::Make(to_arrow(schema_), count, {ids.Finish().ValueOrDie(), cities.Finish().ValueOrDie()});
  }

  std::vector<RowRange> append(PartitionedWriter& writer, const arrow::RecordBatch& batch) {
    auto ranges = writer.append(batch, context_);
    EXPECT_TRUE(ranges) << ranges.error().message;
    if (!ranges) return {};
    for (const RowRange& range : *ranges) places_[range.data_file] += range.row_count;
    appended_.emplace_back(batch.Slice(0), *ranges);
    return *ranges;
  }

  std::vector<StagedFile> finish(PartitionedWriter& writer) {
    auto files = writer.finish(context_);
    EXPECT_TRUE(files) << files.error().message;
    return files ? *files : std::vector<StagedFile>();
  }

  std::string bytes_of(const std::string& path) { return read_now(store_, {path, "", {}}).value(); }

  /// Every appended row lies where its range says, and nothing else is in the files.
  void expect_rows_are_where_ranges_say(const std::vector<StagedFile>& files, const std::function<int(int64_t row)>& partition_of_row) {
    std::map<std::string, std::shared_ptr<arrow::Table>> tables;
    for (const StagedFile& file : files) {
      tables[file.file.path] = read_table(bytes_of(file.file.path));
      EXPECT_EQ(tables[file.file.path]->num_rows(), file.file.rows);
      EXPECT_EQ(places_[file.file.path], file.file.rows);
      EXPECT_EQ(bytes_of(file.file.path).size(), static_cast<size_t>(file.file.size_bytes));
    }
    for (const auto& [batch, ranges] : appended_) {
      // The batch's ids by partition in order of first appearance: what the ranges must hold, one after the other.
      std::vector<int> partitions;
      std::map<int, std::vector<int64_t>> expected;
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < ids.length(); ++i) {
        const int partition = partition_of_row(ids.Value(i) / 7919);
        if (!expected.contains(partition)) partitions.push_back(partition);
        expected[partition].push_back(ids.Value(i));
      }
      std::vector<int64_t> wanted, found;
      for (const int partition : partitions) wanted.insert(wanted.end(), expected[partition].begin(), expected[partition].end());
      for (const RowRange& range : ranges) {
        ASSERT_TRUE(tables.contains(range.data_file)) << range.data_file;
        const auto& written = static_cast<const arrow::Int64Array&>(*tables[range.data_file]->column(0)->chunk(0));
        for (int64_t i = 0; i < range.row_count; ++i) found.push_back(written.Value(range.first_row + i));
      }
      ASSERT_EQ(found, wanted);
    }
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  Context context_;
  Schema schema_ = rows_schema();
  ParquetOptions options_;
  std::map<std::string, int64_t> places_;
  std::vector<std::pair<std::shared_ptr<arrow::RecordBatch>, std::vector<RowRange>>> appended_;
};

// Prevents: rows copied or scattered where there is nothing to partition by, and ranges that do not follow the batch's order.
TEST_F(PartitionedWriterTest, WithoutPartitionsRowsKeepTheirOrder) {
  auto writer = open({});
  const auto city = [](int64_t) { return "x"; };
  const auto first = append(*writer, *rows(0, 1000, city));
  const auto second = append(*writer, *rows(1000, 500, city));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(second, (std::vector<RowRange>{{first[0].data_file, 1000, 500}}));
  EXPECT_THAT(first[0].data_file, testing::MatchesRegex("mem://t/table/data/batch-1/[0-9a-f-]{36}\\.parquet"));
  EXPECT_EQ(store_.keys().size(), 0u) << "nothing is visible before finish";
  const auto files = finish(*writer);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(files[0].partition.empty());
  expect_rows_are_where_ranges_say(files, [](int64_t) { return 0; });
}

// Prevents: rows of small files that share a batch found under their neighbours' names.
TEST_F(PartitionedWriterTest, SharesOutWhereTheRowsOfEachOriginWent) {
  for (const std::vector<std::string>& partition_by : {std::vector<std::string>{}, {"city"}}) {
    appended_.clear(), places_.clear();
    auto writer = open(partition_by);
    const auto batch = rows(0, 100, [](int64_t i) { return i % 7 < 3 ? "Rom" : "Oslo"; });
    const int64_t counts[] = {0, 1, 20, 0, 2, 77, 0};
    const std::string names[] = {"a", "b", "c", "d", "e", "f", "g"};
    for (int round = 0; round < 2; ++round) {
      std::vector<OriginShare> origins;
      for (size_t i = 0; i < std::size(counts); ++i) origins.push_back({counts[i], names[i], "v1"});
      const auto shares = writer->append(*batch, origins, context_);
      ASSERT_TRUE(shares) << shares.error().message;
      ASSERT_EQ(shares->size(), std::size(counts));
      int64_t first = 0;
      for (size_t i = 0; i < std::size(counts); ++i) {
        for (const RowRange& range : (*shares)[i]) places_[range.data_file] += range.row_count;
        appended_.emplace_back(batch->Slice(first, counts[i]), (*shares)[i]);
        first += counts[i];
      }
    }
    const bool apart = !partition_by.empty();
    expect_rows_are_where_ranges_say(finish(*writer), [&](int64_t row) { return apart && row % 7 < 3 ? 1 : 0; });
  }
}

// Prevents: a footer that leaves out a file or gives its rows to a neighbour: after a loss of the ledger it is loaded again, or never.
TEST_F(PartitionedWriterTest, TheFooterNamesWhatEachRowIsOf) {
  for (const std::vector<std::string>& partition_by : {std::vector<std::string>{}, {"city"}}) {
    auto writer = open(partition_by);
    const OriginShare shares[] = {{40, "a", "v1"}, {0, "empty", "v1"}, {30, "b", "v1"}, {30, "b", "v2"}};
    std::map<std::string, std::string> origin_of_id;
    for (int round = 0; round < 2; ++round) {
      const auto batch = rows(round * 100, 100, [](int64_t i) { return i % 7 < 3 ? "Rom" : "Oslo"; });
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < 100; ++i) origin_of_id[std::to_string(ids.Value(i))] = i < 40 ? "a v1" : i < 70 ? "b v1" : "b v2";
      ASSERT_TRUE(writer->append(*batch, shares, context_));
    }
    int64_t found = 0;
    for (const StagedFile& file : finish(*writer)) {
      const std::string bytes = bytes_of(file.file.path);
      const auto origins = read_origins(*make_memory_blob(bytes), context_);
      ASSERT_TRUE(origins.has_value() && origins->has_value());
      const auto table = read_table(bytes);
      const auto& ids = static_cast<const arrow::Int64Array&>(*table->column(0)->chunk(0));
      int64_t row = 0;
      for (const OriginRows& part : (*origins)->files) {
        for (int64_t end = row + part.rows; row < end; ++row) {
          EXPECT_EQ(origin_of_id[std::to_string(ids.Value(row))], part.path + " " + part.version);
        }
      }
      EXPECT_EQ(row, file.file.rows);
      found += row;
    }
    EXPECT_EQ(found, 200);
  }
}

// Prevents: a row in a file of another partition, and ranges that point at other rows.
TEST_F(PartitionedWriterTest, SpreadsRowsByPartition) {
  auto writer = open({"city", "bucket(3, id)"});
  const char* names[] = {"Rom", "Köln", "a/b c"};
  const auto city = [&](int64_t i) { return names[i % 3]; };
  for (int64_t at = 0; at < 3000; at += 300) append(*writer, *rows(at, 300, city));
  append(*writer, *rows(3000, 50, [&](int64_t) { return "Rom"; }));
  const auto files = finish(*writer);
  EXPECT_EQ(files.size(), 9u);
  const auto bucket = [](int64_t id) { return static_cast<int>((bucket_hash(id) & 0x7fffffff) % 3); };
  expect_rows_are_where_ranges_say(files,
                                   [&](int64_t row) { return static_cast<int>(row >= 3000 ? 0 : row % 3) * 3 + bucket(row * 7919); });
  for (const StagedFile& file : files) {
    ASSERT_EQ(file.partition.size(), 2u);
    const std::string city_name = std::get<std::string>(file.partition[0]);
    const int32_t number = std::get<int32_t>(file.partition[1]);
    const auto table = read_table(bytes_of(file.file.path));
    const auto& ids = static_cast<const arrow::Int64Array&>(*table->column(0)->chunk(0));
    const auto& cities = static_cast<const arrow::StringArray&>(*table->column(1)->chunk(0));
    for (int64_t i = 0; i < table->num_rows(); ++i) {
      EXPECT_EQ(cities.GetView(i), city_name);
      EXPECT_EQ(bucket(ids.Value(i)), number);
    }
    EXPECT_THAT(file.file.path, HasSubstr("id_bucket=" + std::to_string(number)));
    if (city_name == "a/b c") {
      EXPECT_THAT(file.file.path, HasSubstr("/batch-1/city=a%2Fb+c/id_bucket="));
    }
  }
}

// Prevents: null in the partition of some value, or in several.
TEST_F(PartitionedWriterTest, NullHasItsOwnPartition) {
  auto writer = open({"city"});
  append(*writer, *batch_of(schema_, {"[0, 7919, 15838, 23757]", R"([null, "n", null, ""])"}));
  const auto files = finish(*writer);
  ASSERT_EQ(files.size(), 3u);
  const auto null_file = std::ranges::find_if(files, [](const StagedFile& file) { return is_null(file.partition[0]); });
  ASSERT_NE(null_file, files.end());
  EXPECT_EQ(null_file->file.rows, 2);
  EXPECT_THAT(null_file->file.path, HasSubstr("/city=null/"));
}

// Prevents: partitions without number taking descriptors, part buffers or memory without limit; and rows lost when files are ended early.
TEST_F(PartitionedWriterTest, StaysWithinItsLimitsHoweverManyPartitions) {
  const PartitionedWriterLimits limits{.buffered_bytes_max = 4 * kMiB, .open_files_max = 50, .open_uploads_max = 5};
  auto writer = open({"identity(city)"}, {}, limits);
  const auto of_row = [](int64_t i) { return static_cast<int>(i * 31 % 200); };
  const std::string padding(100, 'x');
  const auto city = [&](int64_t i) { return std::to_string(of_row(i)) + padding; };
  int64_t uploads_peak = 0;
  for (int64_t at = 0; at < 40'000; at += 4000) {
    append(*writer, *rows(at, 4000, city));
    EXPECT_LE(writer->open_files(), limits.open_files_max);
    EXPECT_LE(writer->open_uploads(), limits.open_uploads_max);
    EXPECT_LE(writer->buffered_bytes(), limits.buffered_bytes_max);
    uploads_peak = std::max(uploads_peak, store_.unfinished_uploads());
  }
  EXPECT_LE(uploads_peak, limits.open_uploads_max);
  const auto files = finish(*writer);
  EXPECT_GT(files.size(), 200u);
  EXPECT_EQ(store_.keys().size(), files.size());
  EXPECT_EQ(writer->buffered_bytes(), 0);
  expect_rows_are_where_ranges_say(files, of_row);
}

// Prevents: too many uploads at once where each partition is large enough to begin its upload.
TEST_F(PartitionedWriterTest, EndsTheUploadThatRestedLongest) {
  auto writer = open({"city"}, {}, {.open_uploads_max = 2});
  for (const char* name : {"a", "b", "a", "c"}) {
    append(*writer, *rows(0, 25'000, [&](int64_t) { return name; }));
    EXPECT_LE(writer->open_uploads(), 2);
  }
  EXPECT_THAT(store_.keys(), ElementsAre(HasSubstr("city=b")));
  EXPECT_EQ(finish(*writer).size(), 3u);
}

// Prevents: files that grow without limit, and a file ended in the middle of what a range says.
TEST_F(PartitionedWriterTest, RollsAtTheTargetSize) {
  auto writer = open({}, {{"write.target-file-size-bytes", "200000"}});
  uint64_t state = 1;
  for (int64_t at = 0; at < 100'000; at += 5000) {
    append(*writer, *rows(at, 5000, [&](int64_t) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return std::to_string(state);
    }));
  }
  const auto files = finish(*writer);
  EXPECT_GE(files.size(), 5u);
  for (const StagedFile& file : files) EXPECT_LT(file.file.size_bytes, 1'500'000);
  expect_rows_are_where_ranges_say(files, [](int64_t) { return 0; });
}

// Prevents: memory pressure ending a single large file again and again instead of a row group.
TEST_F(PartitionedWriterTest, FreesMemoryByRowGroupsFirst) {
  auto writer = open({}, {}, {.buffered_bytes_max = 10 * kMiB});
  uint64_t state = 1;
  for (int64_t at = 0; at < 500'000; at += 50'000) {
    append(*writer, *rows(at, 50'000, [&](int64_t) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return std::to_string(state) + std::to_string(state * 31);
    }));
    EXPECT_LE(writer->buffered_bytes(), 10 * kMiB);
  }
  const auto files = finish(*writer);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_GE(files[0].file.split_offsets.size(), 2u);
  expect_rows_are_where_ranges_say(files, [](int64_t) { return 0; });
}

// Prevents: objects that nobody knows after a file was refused, and unfinished uploads that become visible.
TEST_F(PartitionedWriterTest, DroppedWriterLeavesOnlyFinishedFilesWhichItNamed) {
  std::vector<std::string> paths;
  {
    auto writer = open({"city"}, {}, {.open_uploads_max = 1});
    for (const char* name : {"a", "b", "c"}) append(*writer, *rows(0, 25'000, [&](int64_t) { return name; }));
    paths = writer->paths();
  }
  EXPECT_EQ(store_.unfinished_uploads(), 0);
  EXPECT_EQ(store_.keys().size(), 2u);
  for (const std::string& key : store_.keys()) EXPECT_THAT(paths, testing::Contains(key));
  EXPECT_EQ(paths.size(), 3u);
}

// Prevents: starting to write under a spec or a property that cannot be followed.
TEST_F(PartitionedWriterTest, RefusesWhatItCannotFollow) {
  TableMetadata metadata;
  metadata.location = "mem://t/table";
  metadata.schemas = {schema_};
  metadata.specs = {{0, {{1, 1000, "x", "zorder"}}}};
  const auto unknown = open_partitioned_writer(store_, metadata, schema_, {}, "b");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("zorder"));
  metadata.specs = {{0, {}}};
  metadata.properties["write.target-file-size-bytes"] = "5";
  const auto tiny = open_partitioned_writer(store_, metadata, schema_, {}, "b");
  ASSERT_FALSE(tiny);
  EXPECT_THAT(tiny.error().message, HasSubstr("write.target-file-size-bytes"));
}

}  // namespace
}  // namespace sluice
