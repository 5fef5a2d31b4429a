#include "schema/evolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/names.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Field> fields_of(std::vector<std::pair<std::string, std::string>> columns) {
  std::vector<Field> fields;
  for (auto& [name, type] : columns) fields.push_back({.name = name, .type = type.empty() ? nullptr : *parse_type(type)});
  return fields;
}

Schema table_of(std::vector<std::pair<std::string, std::string>> columns) {
  Schema schema = {.schema_id = 4, .fields = fields_of(std::move(columns))};
  assign_field_ids(schema.fields, 0);
  return schema;
}

EvolutionPlan plan(const Schema& table, const std::vector<Field>& found, SchemaMode mode = SchemaMode::kEvolve) {
  return plan_evolution(table, found, mode, Evidence::kRefused);
}

// Prevents: a change that Iceberg forbids being committed, or an allowed one being missed.
TEST(PlanEvolution, WidensOnlyWhatIcebergAllows) {
  const std::tuple<const char*, const char*, const char*> cases[] = {{"int", "long", "long"},
                                                                     {"float", "double", "double"},
                                                                     {"decimal(9,2)", "decimal(12,2)", "decimal(12,2)"},
                                                                     {"decimal(9,2)", "decimal(9,0)", "decimal(11,2)"},
                                                                     {"decimal(9,2)", "decimal(9,3)", nullptr},
                                                                     {"decimal(9,2)", "decimal(38,0)", nullptr},
                                                                     {"decimal(9,2)", "long", nullptr},
                                                                     {"long", "double", nullptr},
                                                                     {"long", "int", nullptr},
                                                                     {"int", "string", nullptr},
                                                                     {"int", "double", nullptr},
                                                                     {"long", "decimal(38,0)", nullptr},
                                                                     {"double", "string", nullptr},
                                                                     {"date", "timestamp", nullptr},
                                                                     {"boolean", "string", nullptr},
                                                                     {"list<int>", "list<long>", "list<long>"},
                                                                     {"map<int, int>", "map<long, long>", "map<int, long>"},
                                                                     {"long", "list<long>", nullptr},
                                                                     {"struct<a: int>", "long", nullptr},
                                                                     {"string", "struct<a: int>", nullptr}};
  for (const auto& [column, found, wider] : cases) {
    const auto result = plan(table_of({{"c", column}}), fields_of({{"c", found}}));
    EXPECT_EQ(to_text(*result.proposed.fields[0].type), wider != nullptr ? wider : column) << column << " " << found;
    EXPECT_EQ(result.changes.size(), wider != nullptr ? 1U : 0U) << column << " " << found;
    EXPECT_EQ(result.refused.empty(), wider != nullptr) << column << " " << found;
  }
  const auto same = plan(table_of({{"c", "string"}}), fields_of({{"c", "long"}}));
  EXPECT_TRUE(same.empty());
  EXPECT_THAT(same.refused, IsEmpty());
}

// Prevents: int columns of other engines widened because inference calls every integer long.
TEST(PlanEvolution, WidensNothingOnASample) {
  const auto result = plan_evolution(table_of({{"i", "int"}, {"f", "float"}, {"d", "decimal(9,2)"}, {"u", "uuid"}, {"s", "string"}}),
                                     fields_of({{"i", "long"}, {"f", "double"}, {"d", "double"}, {"u", "string"}, {"s", "long"}}),
                                     SchemaMode::kEvolve, Evidence::kSample);
  EXPECT_TRUE(result.empty());
  EXPECT_THAT(result.refused, IsEmpty());
  const auto conflict = plan_evolution(table_of({{"i", "int"}}), fields_of({{"i", "string"}}), SchemaMode::kEvolve, Evidence::kSample);
  EXPECT_THAT(conflict.refused, ElementsAre(HasSubstr("i int -> string")));
}

// Prevents: new columns without a report, as required, with ids of their own choice, or in the wrong struct.
TEST(PlanEvolution, AddsColumnsAtAnyDepth) {
  std::vector<Field> found =
      fields_of({{"a", "struct<x: int, b: long>"}, {"city", "string"}, {"l", "list<struct<k: int, v: date>>"}, {"void", ""}});
  found[1].required = true;
  found[1].id = 77;
  const Schema table = table_of({{"a", "struct<x: int>"}, {"l", "list<struct<k: int>>"}});
  const auto result = plan(table, found);
  EXPECT_THAT(result.texts, ElementsAre("add column a.b long", "add column city string", "add column l.element.v date"));
  ASSERT_EQ(result.changes.size(), 3U);
  EXPECT_EQ(result.changes[0].parent_id, 1);
  EXPECT_THAT(result.changes[0].path, ElementsAre("a", "b"));
  EXPECT_EQ(result.changes[1].parent_id, 0);
  EXPECT_EQ(result.changes[2].parent_id, table.find("l")->type->fields[0].id);
  const Field* city = result.proposed.find("city");
  ASSERT_NE(city, nullptr);
  EXPECT_EQ(city->id, 0);
  EXPECT_FALSE(city->required);
  EXPECT_EQ(result.proposed.find("a")->id, 1);
  EXPECT_EQ(result.proposed.find("void"), nullptr);
  EXPECT_EQ(result.proposed.schema_id, 4);
}

// Prevents: one plan widening a member and losing another change of the same struct.
TEST(PlanEvolution, CombinesChangesInOneStruct) {
  const auto result = plan(table_of({{"s", "struct<a: int, f: float>"}}), fields_of({{"s", "struct<f: double, n: date, a: long>"}}));
  EXPECT_EQ(to_text(*result.proposed.fields[0].type), "struct<a: long, f: double, n: date>");
  EXPECT_THAT(result.texts, ElementsAre("widen s.f float -> double", "add column s.n date", "widen s.a int -> long"));
  EXPECT_EQ(result.changes[0].field.id, 3);
}

// Prevents: tables that case-insensitive engines cannot query, and data overwriting our own columns.
TEST(PlanEvolution, LeavesCollidingNamesOut) {
  const auto result = plan(table_of({{"City", "string"}, {"_source_file", "string"}}), fields_of({{"city", "string"},
                                                                                                  {"new", "long"},
                                                                                                  {"NEW", "long"},
                                                                                                  {"GRÖN", "int"},
                                                                                                  {"grön", "int"},
                                                                                                  {"_source_file", "long"},
                                                                                                  {"_Rescued_Data", "string"},
                                                                                                  {"", "long"},
                                                                                                  {"s", "struct<a: int, A: long>"}}));
  EXPECT_THAT(result.texts, ElementsAre("add column new long", "add column GRÖN int", "add column s struct<a: int>"));
  EXPECT_EQ(result.warnings.size(), 7U);
  EXPECT_THAT(result.warnings[0], HasSubstr("'city' differs only in case from 'City'"));
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("'s.A'")));
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("metadata column")));
}

// Prevents: columns so deep that readers refuse the table, also where only a member of a struct in a list makes them so.
TEST(PlanEvolution, LeavesTooDeepTypesOut) {
  const auto lists = [](int count, TypePtr type) {
    for (int i = 0; i < count; ++i) type = make_list(std::move(type));
    return type;
  };
  const auto rows_of = [&](const char* member, int inner) {
    return std::vector<Field>{
        {.name = "a", .type = lists(12, make_struct({{.name = member, .type = lists(inner, make_type(TypeId::kLong))}}))}};
  };
  Schema table;
  table.fields = plan({}, rows_of("fits", 11)).proposed.fields;  // 24 levels, the struct, 22 of lists and the long: 48
  ASSERT_EQ(table.fields.size(), 1u);
  assign_field_ids(table.fields, 0);
  const auto result = plan(table, rows_of("deep", 12));
  EXPECT_THAT(result.texts, IsEmpty());
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("nested deeper than 48 levels")));
  EXPECT_EQ(plan(table, rows_of("also_fits", 11)).texts.size(), 1u);
  EXPECT_THAT(plan({}, rows_of("deep", 12)).proposed.fields, IsEmpty());
}

// Prevents: modes fixed and rescue changing a table.
TEST(PlanEvolution, ChangesNothingInOtherModes) {
  const Schema table = table_of({{"id", "int"}});
  for (const SchemaMode mode : {SchemaMode::kFixed, SchemaMode::kRescue}) {
    const auto result = plan(table, fields_of({{"id", "long"}, {"n", "date"}}), mode);
    EXPECT_TRUE(result.empty());
    EXPECT_THAT(result.refused, ElementsAre(HasSubstr("widen id int -> long"), HasSubstr("add column n date")));
    EXPECT_EQ(result.proposed.fields.size(), 1U);
  }
  EXPECT_EQ(plan(table, fields_of({{"n", "date"}}), SchemaMode::kApprove).changes.size(), 1U);
}

// Prevents: `_rescued_data` added twice or never.
TEST(PlanEvolution, AddsAMetadataColumnOnce) {
  const auto added = plan_metadata_column(table_of({{"id", "int"}}), kRescuedColumn);
  EXPECT_THAT(added.texts, ElementsAre("add column _rescued_data string"));
  EXPECT_TRUE(plan_metadata_column(added.proposed, kRescuedColumn).empty());
}

// Prevents: a new table without the columns asked for, or with names that collide.
TEST(InitialSchema, HoldsTypedColumnsThenMetadataColumns) {
  const auto initial =
      initial_schema(fields_of({{"id", "long"}, {"void", ""}, {"ID", "long"}, {"_batch_id", "long"}}), {"_source_file", "_loaded_at"});
  ASSERT_TRUE(initial);
  std::string text;
  for (const Field& field : initial->schema.fields) text += field.name + " " + to_text(*field.type) + ";";
  EXPECT_EQ(text, "id long;_source_file string;_loaded_at timestamptz;");
  EXPECT_EQ(initial->warnings.size(), 2U);
  EXPECT_FALSE(initial_schema({}, {"_sauce"}));
}

// Prevents: folding that mangles names, so that different columns seem the same.
TEST(FoldCase, FoldsLettersOnly) {
  EXPECT_EQ(fold_case("AZ_az09"), "az_az09");
  EXPECT_EQ(fold_case("ÄÖÜ×ß"), "äöü×ß");
  EXPECT_EQ(fold_case("ΑΩ ЁЯ"), "αω ёя");
  EXPECT_EQ(fold_case("日本"), "日本");
  EXPECT_EQ(fold_case("\xC3"), "\xC3");
}

}  // namespace
}  // namespace sluice
