#include "parquet/leaves.h"

#include <gmock/gmock.h>

#include "parquet/test_tables.h"

namespace sluice {
namespace {

using testing::ElementsAre;

// Prevents: metrics of one column under the id of another, where Parquet's order of columns is not ours.
TEST(Leaves, ComeInTheOrderOfParquetColumns) {
  Schema schema;
  schema.fields = {{1, "s", false, make_struct({{2, "a", false, make_type(TypeId::kInt)}, {3, "b", false, make_type(TypeId::kInt)}})},
                   {4, "m", false, make_map(make_type(TypeId::kString), make_list(make_type(TypeId::kDouble), false, 7), false, 5, 6)},
                   {8, "c", false, make_type(TypeId::kInt)}};
  std::vector<std::string> names;
  for (const Leaf& leaf : leaves_of(schema)) names.push_back(leaf.name + (leaf.below_list ? "*" : ""));
  EXPECT_THAT(names, ElementsAre("s.a", "s.b", "m.key*", "m.value.element*", "c"));
  EXPECT_EQ(leaves_count(*schema.fields[1].type), 2u);
}

// Prevents: rows before or after a slice being sampled or counted, at any depth.
TEST(Leaves, SeeOnlyTheRowsOfASlice) {
  const auto type =
      to_arrow(*make_list(make_struct({{1, "d", false, make_type(TypeId::kDouble)}, {2, "t", false, make_type(TypeId::kString)}})));
  const auto lists =
      array_of(type, R"([[{"d": NaN, "t": "abc"}], [{"d": 1, "t": "de"}, {"d": NaN, "t": "f"}], null, [{"d": NaN, "t": "xyz"}]])");
  std::vector<int64_t> lengths;
  int64_t nans = 0;
  visit_leaves(*lists->Slice(1, 2), true, [&](const arrow::Array& leaf, const Visibility& visibility) {
    lengths.push_back(leaf.length());
    nans += count_nans(leaf, visibility);
  });
  EXPECT_THAT(lengths, ElementsAre(2, 2));
  EXPECT_EQ(nans, 1);
  EXPECT_EQ(bytes_of(*lists->Slice(1, 2)), 2 * 8 + 3 + 2 * 4);
}

}  // namespace
}  // namespace sluice
