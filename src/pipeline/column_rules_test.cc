#include "pipeline/column_rules.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/column_check.h"
#include "pipeline/path_columns.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ClaimedFile at(const std::string& path, const std::string& archive = "") {
  ClaimedFile file;
  file.path = path;
  file.archive = archive;
  return file;
}

std::vector<std::string> hive_texts(const ClaimedFile& file) {
  std::vector<std::string> texts;
  for (const HiveColumn& column : hive_columns(file)) texts.push_back(column.key + "=" + column.value.value_or("null"));
  return texts;
}

std::shared_ptr<const ColumnRules> rules_of(std::vector<ColumnDefinition> columns, bool hive = false) {
  SchemaOptions schema;
  schema.columns = std::move(columns);
  schema.hive_partitioning = hive;
  return ColumnRules::make(schema).value();
}

std::vector<std::string> texts_of(const std::vector<Field>& fields) {
  std::vector<std::string> texts;
  for (const Field& field : fields) texts.push_back(field.name + " " + (field.type ? to_text(*field.type) : "?"));
  return texts;
}

Inferred found(std::vector<Field> fields) {
  Inferred inferred{.fields = std::move(fields), .header = {}, .rows = 1};
  for (const Field& field : inferred.fields) inferred.header.push_back(field.name);
  return inferred;
}

Field field(const std::string& name, TypeId type) { return {.name = name, .type = make_type(type)}; }

// A file's own name, an archive and a metadata column are no folders, whatever they are called.
TEST(PathColumns, FoldersNamedKeyValue) {
  EXPECT_THAT(hive_texts(at("s3://b/year=2024/m=01/x=1.csv")), ElementsAre("year=2024", "m=01"));
  EXPECT_THAT(hive_texts(at("file:///d/a%20b=c%2Fd/e=f=g/h=/i=__HIVE_DEFAULT_PARTITION__/=j/x")),
              ElementsAre("a b=c/d", "e=f=g", "h=null", "i=null"));
  EXPECT_THAT(hive_texts(at("file:///y=1/a=b.zip!/m=2/c=d.zip!/y=3/x.csv", "file:///y=1/a=b.zip!/m=2/c=d.zip")), ElementsAre("y=3", "m=2"));
  EXPECT_THAT(hive_texts(at("file:///_Source_File=1/a=%FF/x")), ElementsAre("a=%FF"));
  EXPECT_THAT(hive_texts(at("file:///d/x")), IsEmpty());
}

// A renamed field must not stay beside its column, and a field that a folder or a constant stands for must not give the type.
TEST(ColumnRules, NamesAndTypesOfAFile) {
  const auto rules = rules_of({{.name = "amount", .from = "Betrag", .type = "decimal(12,2)"},
                               {.name = "region", .value = "eu"},
                               {.name = "day", .type = "date", .path_pattern = "d-(.*)\\."},
                               {.name = "doc", .json = true},
                               {.name = "late", .type = "int"}},
                              true);
  const Inferred table =
      rules
          ->table_columns(found({field("id", TypeId::kLong), field("Betrag", TypeId::kString), field("region", TypeId::kLong),
                                 field("doc", TypeId::kDouble), field("y", TypeId::kString), field("amount", TypeId::kLong)}),
                          at("file:///y=7/d-2024-01-01.csv"))
          .value();
  EXPECT_THAT(texts_of(table.fields),
              ElementsAre("id long", "amount decimal(12,2)", "doc string", "late int", "region string", "day date", "y long"));
  EXPECT_THAT(table.header, ElementsAre("id", "amount", "doc", "amount", "region", "day", "y"));
  EXPECT_THAT(rules->table_columns(found({}), at("file:///y=7/d-1.csv"))->fields, IsEmpty()) << "a table needs a column of a file";
  EXPECT_THAT(rules->columns_of(at("file:///other")).error().message, HasSubstr("path_pattern d-(.*)\\. is not found"));
}

// Drift must never widen what a definition fixes, nor bring back the field that was renamed.
TEST(ColumnRules, Drift) {
  const auto rules = rules_of({{.name = "amount", .from = "Betrag"}, {.name = "age", .type = "int"}, {.name = "c", .value = "1"}});
  const auto of_file = rules->columns_of(at("file:///x")).value();
  Schema table;
  table.fields = {field("age", TypeId::kInt)};
  EXPECT_EQ(rules->drifted(field("Betrag", TypeId::kLong), table, of_file)->name, "amount");
  EXPECT_EQ(rules->drifted(field("amount", TypeId::kLong), table, of_file), std::nullopt);
  EXPECT_EQ(rules->drifted(field("age", TypeId::kString), table, of_file), std::nullopt);
  EXPECT_EQ(rules->drifted(field("c", TypeId::kString), table, of_file), std::nullopt);
  EXPECT_EQ(to_text(*rules->drifted(field("age", TypeId::kString), {}, of_file)->type), "int");
  EXPECT_EQ(rules->drifted(field("more", TypeId::kLong), table, of_file)->name, "more");
}

// An existing table must get what it lacks and be widened where it may be; a guess of a path is no reason to widen.
TEST(ColumnRules, WhatATableLacks) {
  const auto rules =
      rules_of({{.name = "a", .type = "long"}, {.name = "b", .type = "int"}, {.name = "c", .value = "x"}, {.name = "d"}}, true);
  Schema table;
  table.fields = {field("a", TypeId::kInt), field("b", TypeId::kLong), field("y", TypeId::kInt)};
  const std::vector<ClaimedFile> files = {at("file:///y=5/z=1/f"), at("file:///y=5/z=u/f")};
  EXPECT_THAT(texts_of(rules->missing_columns(table, files)), ElementsAre("c string", "z string", "a long"));
  EXPECT_FALSE(rules->check(table, false)) << "c is missing";
  table.fields[0] = field("a", TypeId::kLong);
  EXPECT_TRUE(rules->check(table, true));
  table.fields.push_back(field("C", TypeId::kString));
  EXPECT_THAT(rules->check(table, true).error().message, HasSubstr("differs only in case from \"C\""));
  table.fields[0] = field("a", TypeId::kDouble);
  EXPECT_THAT(rules->check(table, true).error().message, HasSubstr("it is double in the table, defined is long"));
}

std::shared_ptr<arrow::Array> doubles(const std::vector<double>& values) {
  arrow::DoubleBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok() && builder.AppendNull().ok());
  return *builder.Finish();
}

// NaN compares with nothing: it must break every rule that compares, and null only the one that asks for a value.
TEST(ColumnCheck, NullAndNan) {
  const auto values = doubles({1, 2, std::nan("")});
  const auto faults = [&](const ColumnCheck& check) {
    ColumnChecker checker = ColumnChecker::make(check, "x", *make_type(TypeId::kDouble), true).value();
    std::vector<bool> bad;
    for (int64_t row = 0; row < values->length(); ++row) bad.push_back(checker.fault(*values, row).has_value());
    return bad;
  };
  EXPECT_THAT(faults({.min = "1.5"}), ElementsAre(true, false, true, false));
  EXPECT_THAT(faults({.max = "1.5"}), ElementsAre(false, true, true, false));
  EXPECT_THAT(faults({.in = {"2", "1"}}), ElementsAre(false, false, true, false));
  EXPECT_THAT(faults({.required = true}), ElementsAre(false, false, false, true));
  EXPECT_THAT(faults({.pattern = "1|2"}), ElementsAre(false, false, true, false));
}

// What cannot be compared must be said before rows are read.
TEST(ColumnCheck, RulesThatMeanNothing) {
  const auto error = [](const ColumnCheck& check, const TypePtr& type, bool given = true) {
    const auto made = ColumnChecker::make(check, "x", *type, given);
    return made ? std::string("none") : made.error().message;
  };
  EXPECT_EQ(error({.min = "a"}, make_type(TypeId::kLong)), "check.min: \"a\" is no long");
  EXPECT_EQ(error({.in = {"NaN"}}, make_type(TypeId::kDouble)), "check.in: NaN compares with nothing");
  EXPECT_THAT(error({.max = "a"}, make_type(TypeId::kString), false), HasSubstr("compare text"));
  EXPECT_EQ(error({.max = "b"}, make_type(TypeId::kString), true), "none");
  EXPECT_THAT(error({.min = "true"}, make_type(TypeId::kBoolean)), HasSubstr("have no order"));
  EXPECT_THAT(error({.in = {"1"}}, make_list(make_type(TypeId::kLong))), HasSubstr("only `required`"));
  EXPECT_EQ(error({.required = true}, make_list(make_type(TypeId::kLong))), "none");
}

}  // namespace
}  // namespace sluice
