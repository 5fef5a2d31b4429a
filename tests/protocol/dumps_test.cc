// SQL dumps whose tables become Parquet objects, over the whole pipeline: each table is a file of its own, whatever its neighbours are.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "formats/sql_format.h"
#include "pipeline/inventory.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct DumpWorld : World {
  DumpWorld() {
    use_objects();
    ingestion.sources.front().format = "auto";
    ingestion.sources.front().sql.table = kEverySqlTable;
  }

  /// Names below the dump's and versions.
  std::map<std::string, std::string> tables(const std::string& dump) {
    std::map<std::string, std::string> found;
    const std::string prefix = std::string(kObjects) + "/" + dump + "/";
    for (const auto& [key, version] : objects()) {
      if (key.starts_with(prefix)) found[key.substr(prefix.size())] = version;
    }
    return found;
  }

  FileRecord file(const std::string& name) {
    auto process = start();
    FilesQuery query{process->registered().id};
    query.path = uri(name);
    return process->ledger().files(query)->files.at(0);
  }
};

std::string table(const std::string& name, const std::string& values) {
  return "CREATE TABLE " + name + " (id bigint);\nINSERT INTO " + name + " VALUES " + values + ";\n";
}

std::string gzipped(const std::string& text) {
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Bug: a table that did not change is converted again because its dump did, or one that did is not.
TEST(Dumps, OnlyTablesThatChangedAreConvertedAgain) {
  DumpWorld world;
  world.put_text("d.sql", "-- 2024-01-01\n" + table("a", "(1)") + table("b", "(2)"));
  world.run();
  const auto before = world.tables("d.sql");
  EXPECT_THAT(before, ElementsAre(testing::Key("a.parquet"), testing::Key("b.parquet")));
  EXPECT_EQ(world.file("d.sql").state, FileState::kSuccess);
  world.put_text("d.sql", "-- 2024-01-02\n\n" + table("a", "(1),(10)") + table("b", "(2)") + table("c", "(3)"));
  world.run();
  const auto after = world.tables("d.sql");
  EXPECT_THAT(after, ElementsAre(testing::Key("a.parquet"), testing::Key("b.parquet"), testing::Key("c.parquet")));
  EXPECT_NE(after.at("a.parquet"), before.at("a.parquet"));
  EXPECT_EQ(after.at("b.parquet"), before.at("b.parquet"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 10, 2, 3));
  world.check_invariants("after the second dump");
}

// Bug: one table that is not understood takes its neighbours with it, or its error names no place of the dump.
TEST(Dumps, ATableFailsAlone) {
  DumpWorld world;
  world.put_text("d.sql", table("a", "(1)") + "INSERT INTO b SELECT * FROM a;\n" + table("c", "(3)"));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 3));
  const FileRecord failed = world.file("d.sql!/b");
  EXPECT_EQ(failed.state, FileState::kFailed);
  EXPECT_THAT(failed.error_message, HasSubstr("line 3: INSERT without VALUES"));
}

// Bug: tables whose rows take turns, rows far behind their table's definition, or a compressed dump lose rows or give them to another
// table.
TEST(Dumps, TablesWhoseRowsTakeTurns) {
  std::string dump = "CREATE TABLE a (id bigint, fill text);\nCREATE TABLE b (id bigint, fill text);\n";
  std::multiset<int64_t> wanted;
  const std::string fill(40'000, 'x');
  for (int64_t id = 0; id < 1200; ++id) {
    dump += fmt::format("INSERT INTO {} VALUES ({}, '{}');\n", id % 3 == 0 ? "a" : "b", id, fill);
    wanted.insert(id);
  }
  for (const bool packed : {false, true}) {
    DumpWorld world;
    world.put_text("d.sql", packed ? gzipped(dump) : dump);
    world.run();
    EXPECT_EQ(world.ids(), wanted) << packed;
    const auto rows = world.rows();
    EXPECT_EQ(rows.size(), 2u);
    world.check_invariants("after the run");
  }
}

// Bug: many tables whose rows take turns all over a compressed dump make the program unpack it for every one of them, for days. A plain one
// is jumped over; tables that follow one another are read once.
TEST(Dumps, IsNotReadForEveryOneOfManyTables) {
  std::string begin, end, apart;
  for (int table = 0; table < 100; ++table) {
    begin += fmt::format("CREATE TABLE t{0} (id bigint);\nINSERT INTO t{0} VALUES ({0});\n", table);
    end += fmt::format("INSERT INTO t{0} VALUES ({0});\n", table);
    apart += fmt::format("CREATE TABLE u{0} (id bigint);\nINSERT INTO u{0} VALUES ({0});\n/* {1} */\n", table, std::string(200'000, 'x'));
  }
  const std::string turns = begin + "/* " + std::string(18 * kMiB, 'x') + " */\n" + end;
  DumpWorld world;
  world.put_text("packed.sql", gzipped(turns));
  world.put_text("plain.sql", turns);
  world.put_text("apart.sql", gzipped(apart));
  (void)world.start()->run();
  const FileRecord failed = world.file("packed.sql");
  EXPECT_EQ(failed.error_type, error_type::kTooLarge);
  EXPECT_THAT(failed.error_message, HasSubstr("more than 64 times"));
  EXPECT_THAT(world.tables("packed.sql"), IsEmpty());
  EXPECT_EQ(world.tables("plain.sql").size(), 100u);
  EXPECT_EQ(world.tables("apart.sql").size(), 100u);
}

// Bug: a dump that is replaced by a script without tables, or an archive by a plain file, leaves members that failed or wait: nobody ends
// them, and the file is shown as failed for ever.
TEST(Dumps, MembersOfWhatIsNoContainerAnyMoreAreEnded) {
  DumpWorld world;
  world.put_text("d.sql", table("a", "(1)") + "INSERT INTO b SELECT * FROM a;\n");
  world.run();
  ASSERT_EQ(world.file("d.sql!/b").state, FileState::kFailed);
  world.put_text("d.sql", "UPDATE a SET id = 1;\n");
  world.run();
  EXPECT_EQ(world.file("d.sql").state, FileState::kSuccess);
  EXPECT_EQ(world.file("d.sql!/a").state, FileState::kSuccess);  // what was converted stays
  EXPECT_EQ(world.file("d.sql!/b").state, FileState::kSkipped);
  EXPECT_EQ(world.file("d.sql!/b").error_type, error_type::kVanished);
  auto process = world.start();
  const auto line = [&](const InventoryLine& one) -> Result<void> {
    EXPECT_NE(one.state, InventoryState::kFailed) << one.name;
    return {};
  };
  ASSERT_TRUE(visit_inventory(process->ledger(), process->registered().id, line));
}

// Bug: rules for names of packed files keep tables out, or a name leads out of the prefix.
TEST(Dumps, EveryTableIsWanted) {
  DumpWorld world;
  world.ingestion.archives.members = {"*.csv"};
  world.put_text("d.sql", table("_migrations", "(1)") + table("\"../x\"", "(2)") + table("\"a b\"", "(3)"));
  world.run();
  EXPECT_THAT(world.tables("d.sql"),
              ElementsAre(testing::Key("..%2Fx.parquet"), testing::Key("_migrations.parquet"), testing::Key("a b.parquet")));
}

// Bug: a table that is empty now keeps the object with its former rows.
TEST(Dumps, ATableThatIsEmptyNowHasNoObject) {
  DumpWorld world;
  world.put_text("d.sql", table("a", "(1)") + table("b", "(2)"));
  world.run();
  world.put_text("d.sql", table("a", "(1)") + "CREATE TABLE b (id bigint);\n");
  world.run();
  EXPECT_THAT(world.tables("d.sql"), ElementsAre(testing::Key("a.parquet")));
}

// Bug: a dump that was cut off counts as whole, or a script without tables as a dump.
TEST(Dumps, WhatIsNoWholeDump) {
  DumpWorld world;
  world.put_text("cut.sql", table("a", "(1)") + "CREATE TABLE b (id bigint);\nINSERT INTO b VALUES (2),");
  world.put_text("script.sql", "UPDATE a SET id = 1;\nSELECT 2;\n");
  world.run();
  EXPECT_THAT(world.tables("cut.sql"), IsEmpty());
  EXPECT_THAT(world.file("cut.sql").error_message, HasSubstr("the file is cut off"));
  EXPECT_THAT(world.objects(), ElementsAre(testing::Key(std::string(kObjects) + "/script.sql.parquet")));
}

}  // namespace
}  // namespace sluice
