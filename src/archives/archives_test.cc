#include <clocale>
#include <map>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "archives/archive_kind.h"
#include "archives/libarchive_pass.h"
#include "archives/member_budget.h"
#include "archives/member_names.h"
#include "archives/seven_zip_header.h"
#include "archives/window_blob.h"
#include "model/file.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

struct Packed {
  std::string name, bytes;
};

/// An archive as libarchive writes it: "zip", "7zip", "pax", "gnutar".
std::string pack(const char* format, const std::vector<Packed>& members, const char* options = nullptr) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // or the writer loses names that are no ASCII
  std::string out(8 * kMiB, '\0');
  size_t used = 0;
  archive* a = archive_write_new();
  archive_write_set_format_by_name(a, format);
  archive_write_add_filter_none(a);
  if (options != nullptr) archive_write_set_options(a, options);
  archive_write_open_memory(a, out.data(), out.size(), &used);
  for (const Packed& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname_utf8(entry, member.name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 1'700'000'000, 0);
    archive_write_header(a, entry);
    archive_write_data(a, member.bytes.data(), member.bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(a);
  out.resize(used);
  return out;
}

std::string all_of(Blob& blob) {
  Context context;
  auto source = blob.open({}, context);
  if (!source) return "error: " + source.error().type;
  std::string text(static_cast<size_t>(blob.size_bytes()) + 1, '\0');
  const auto got = (*source)->read(text, context);
  if (!got) return "error: " + got.error().type;
  text.resize(*got);
  return text;
}

/// Names and bytes in the archive's order; what cannot be had as "error: TYPE".
std::vector<std::pair<std::string, std::string>> unpack(const std::string& packed) {
  Context context;
  std::vector<std::pair<std::string, std::string>> members;
  const auto blob = make_memory_blob(packed);
  const auto kind = archive_kind_of(packed.substr(0, kArchiveHeadBytes), "x");
  if (!kind) return {{"no archive", ""}};
  auto pass = open_archive(*kind, *blob, context);
  if (!pass) return {{"error: " + pass.error().type, pass.error().message}};
  for (;;) {
    auto member = (*pass)->next(context);
    if (!member) {
      members.emplace_back("error: " + member.error().type, member.error().message);
      return members;
    }
    if (!*member) return members;
    if (!(*member)->problem_type.empty()) {
      members.emplace_back((*member)->name, "problem: " + (*member)->problem_type);
      continue;
    }
    auto bytes = (*pass)->open({}, context);
    members.emplace_back((*member)->name, bytes ? all_of(*bytes->blob) : "error: " + bytes.error().type);
  }
}

std::vector<std::string> versions(const std::string& packed) {
  Context context;
  std::vector<std::string> found;
  const auto blob = make_memory_blob(packed);
  auto pass = open_archive(*archive_kind_of(packed.substr(0, kArchiveHeadBytes), "x"), *blob, context);
  for (auto member = (*pass)->next(context); member && *member; member = (*pass)->next(context)) {
    found.push_back((*pass)->version(context).value_or("error"));
  }
  return found;
}

class EveryArchive : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Formats, EveryArchive, testing::Values("zip", "7zip", "pax", "gnutar", "ustar"));

// Prevents a kind of archive from giving other bytes, names or an order of its own.
TEST_P(EveryArchive, GivesItsMembersInOrder) {
  const std::string large(3 * kMiB + 7, 'x'), long_name(90, 'n');
  const auto packed = pack(GetParam(), {{"a.csv", "1,2\n"}, {"dir/ü🙂.csv", large}, {long_name, "3\n"}, {"empty", ""}});
  const auto members = unpack(packed);
  ASSERT_EQ(members.size(), 4u);
  // 7z keeps empty members behind the others.
  const std::map<std::string, std::string> by_name(members.begin(), members.end());
  EXPECT_THAT(by_name, ElementsAre(Pair("a.csv", "1,2\n"), Pair("dir/ü🙂.csv", large), Pair("empty", ""), Pair(long_name, "3\n")));
}

// Prevents a version that changes with anything but the content: a new upload would load everything again, or nothing.
TEST_P(EveryArchive, VersionsFollowTheContent) {
  const auto one = versions(pack(GetParam(), {{"a", "12345"}, {"b", "67890"}}));
  const auto two = versions(pack(GetParam(), {{"a", "12345"}, {"b", "67899"}}));
  ASSERT_EQ(one.size(), 2u);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(one[0], two[0]);
  EXPECT_NE(one[1], two[1]);
  EXPECT_NE(one[0], one[1]);
}

// Prevents bytes of another version from being handed over as the claimed one.
TEST_P(EveryArchive, AnotherVersionIsAConflict) {
  Context context;
  const std::string packed = pack(GetParam(), {{"a", "12345"}});
  const auto blob = make_memory_blob(packed);
  auto pass = open_archive(*archive_kind_of(packed.substr(0, kArchiveHeadBytes), "x"), *blob, context);
  ASSERT_TRUE((*pass)->next(context).value());
  auto bytes = (*pass)->open("5-0123", context);
  const std::string got = bytes ? all_of(*bytes->blob) : "error: " + bytes.error().type;
  EXPECT_EQ(got, "error: ChangedWhileRead");
}

// Prevents a cut archive from passing for a shorter one.
TEST_P(EveryArchive, CutAnywhereItIsAnError) {
  const std::string packed = pack(GetParam(), {{"a", std::string(2000, 'a')}, {"b", std::string(2000, 'b')}});
  for (const size_t size : {packed.size() / 3, packed.size() / 2}) {
    const auto members = unpack(packed.substr(0, size));
    const bool failed = members.empty() || members.back().first.starts_with("error: ") || members.back().second.starts_with("error: ");
    EXPECT_TRUE(failed) << GetParam() << " cut at " << size;
  }
}

/// What passing over an archive's members without reading them comes to.
std::string passed_over(MemberPass& pass) {
  Context context;
  for (;;) {
    const auto member = pass.next(context);
    if (!member) return member.error().type + ": " + member.error().message;
    if (!*member) return "whole";
  }
}

std::string passed_over_tar(const std::string& bytes) {
  const auto blob = make_memory_blob(bytes);
  return passed_over(*open_tar(*blob).value());
}

// Prevents a plain tar that was cut off inside a member that is jumped over, or between two members, from passing for a whole one: the
// members behind would be missing without a word.
TEST(Tar, CutOffAnywhereItIsBroken) {
  const std::string large(5 * kMiB, 'x');
  for (const char* format : {"ustar", "gnutar", "pax"}) {
    const std::string tar = pack(format, {{"a.csv", "1,2\n"}, {"big.bin", large}, {"z.csv", "3,4\n"}});
    constexpr size_t kBig = 1024, kBehindBig = kBig + 512 + 5 * kMiB, kEnd = kBehindBig + 1024;
    ASSERT_EQ(tar.size(), kEnd + 1024) << format;
    for (const size_t whole : {kEnd + 512, kEnd + 1000, kEnd + 1024}) EXPECT_EQ(passed_over_tar(tar.substr(0, whole)), "whole") << whole;
    EXPECT_EQ(passed_over_tar(tar + std::string(9 * 1024, '\0')), "whole");
    EXPECT_EQ(passed_over_tar(tar + "what follows is not looked at"), "whole");
    for (const size_t cut : {size_t{513}, size_t{1000}, kBig, kBig + 100, kBig + 512, kBig + 513, kBig + 512 + kMiB - 1, kBig + 3 * kMiB,
                             kBehindBig - 1, kBehindBig, kBehindBig + 512, kBehindBig + 515, kEnd - 1, kEnd, kEnd + 100}) {
      EXPECT_THAT(passed_over_tar(tar.substr(0, cut)), StartsWith("BadArchive: broken tar archive")) << format << " cut at " << cut;
    }
    EXPECT_THAT(passed_over_tar(tar.substr(0, kEnd)), HasSubstr("the two blocks of zeros that end a tar are missing"));
  }
}

// Prevents a tar from being whole that ends between a member's extended header and the member, and a compressed one without an end mark,
// which its own end proves to be whole, from being refused.
TEST(Tar, CutOffBeforeItWasCompressed) {
  Context context;
  const std::string tar = pack("pax", {{"a.csv", "1,2\n"}, {std::string(300, 'n'), "3\n"}});
  const auto in_stream = [&](size_t size) {
    const auto blob = make_memory_blob(tar.substr(0, size));
    return passed_over(*open_tar_stream(blob->open({}, context).value(), blob->size_bytes()).value());
  };
  EXPECT_EQ(in_stream(1024), "whole");
  ASSERT_EQ(tar[1024 + 156], 'x');  // two blocks of extended header
  EXPECT_THAT(in_stream(2048), StartsWith("BadArchive"));
  EXPECT_THAT(passed_over_tar(tar.substr(0, 2048)), StartsWith("BadArchive"));
}

// Prevents names from leading out of an archive, and two members from sharing one.
TEST(MemberNames, AreRelativeAndUnique) {
  MemberNames names;
  const auto set = [&](std::string_view raw) {
    Member member;
    names.set_name(member, raw);
    return member;
  };
  EXPECT_EQ(set("./dir//x.csv").name, "dir/x.csv");
  EXPECT_EQ(set("dir/x.csv").name, "dir/x.csv#2");
  EXPECT_EQ(set("dir/x.csv").name, "dir/x.csv#3");
  for (const std::string_view bad : {"../x", "a/../../x", "/etc/passwd", "", "./", "\xff\xfe"}) {
    EXPECT_EQ(set(bad).problem_type, error_type::kBadName) << bad;
  }
  std::string deep;
  for (int i = 0; i < kMemberDepthMax + 1; ++i) deep += "d/";
  EXPECT_EQ(set(deep + "x").problem_type, error_type::kBadName);
  EXPECT_EQ(set(deep.substr(2) + "x").problem_type, "");
  EXPECT_EQ(from_code_page_437("caf\x82"), "café");
}

// Prevents members of one name from costing a look at every number before theirs: a zip of 250,000 would keep a thread for hours.
TEST(MemberNames, ManyOfOneNameGoQuickly) {
  MemberNames names;
  Member member;
  names.set_name(member, "x#5");
  for (int number = 1; number <= 200'000; ++number) names.set_name(member, "x");
  EXPECT_EQ(member.name, "x#200001");  // one is taken by its own name
  names.set_name(member, "x#7");
  EXPECT_EQ(member.name, "x#7#2");
}

// Prevents a bomb of many or of huge members from getting past its listing.
TEST(MemberBudget, HasLimits) {
  MemberBudget ratio(1000);
  EXPECT_TRUE(ratio.take(kUnpackedFreeBytes));
  const auto bomb = ratio.take(1'000'000);
  ASSERT_FALSE(bomb);
  EXPECT_EQ(bomb.error().type, error_type::kTooLarge);
  MemberBudget honest(10 * kGiB);
  EXPECT_TRUE(honest.take(100 * kGiB));
  EXPECT_FALSE(honest.take(kMemberBytesMax + 1));
  MemberBudget many(kGiB);
  for (int64_t i = 0; i < kArchiveMembersMax; ++i) ASSERT_TRUE(many.take(0));
  EXPECT_FALSE(many.take(0));
}

// Prevents a 7z whose dictionary takes the machine's memory from reaching libarchive.
TEST(SevenZip, AsksForNoMoreThanItsDictionaryMayHave) {
  Context context;
  std::string packed = pack("7zip", {{"a", "12345"}}, "7zip:compression=lzma1");
  const auto modest = make_memory_blob(packed);
  EXPECT_TRUE(check_seven_zip(*modest, context));
  // The coder's properties: one byte, then the dictionary in four.
  const size_t coder = packed.find(std::string("\x23\x03\x01\x01\x05", 5));
  ASSERT_NE(coder, std::string::npos);
  packed[coder + 9] = '\x7f';
  const auto checked = check_seven_zip(*make_memory_blob(packed), context);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().type, error_type::kTooLarge);
  EXPECT_THAT(checked.error().message, HasSubstr("dictionary"));
}

/// A 7z whose header is this and is not packed.
std::string seven_zip_with(const std::string& header) {
  std::string bytes("7z\xbc\xaf\x27\x1c\x00\x04", 8);
  bytes += std::string(12, '\0');  // a checksum, then the offset of the header
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + std::string(4, '\0') + header;
}

/// As 7z writes numbers; up to 2^20 here.
std::string seven_zip_number(uint32_t number) {
  return {static_cast<char>(0xc0 | number >> 16), static_cast<char>(number), static_cast<char>(number >> 8)};
}

// Prevents a packed header of some KB, which says there are a million of this or that, from taking gigabytes here or inside libarchive.
TEST(SevenZip, SaysOfNothingThatThereIsTooMuch) {
  Context context;
  const auto error_of = [&](const std::string& header) {
    const auto checked = check_seven_zip(*make_memory_blob(seven_zip_with(header)), context);
    return checked ? "" : checked.error().type;
  };
  const auto folders = [&](uint32_t count) {
    std::string header("\x01\x04\x07\x0b", 4);
    header += seven_zip_number(count) + '\0';
    for (uint32_t i = 0; i < count; ++i) header += std::string("\x01\x00", 2);  // one coder without a name
    return header += '\0';
  };
  const std::string one_file("\x00\x05\x01\x00\x00", 5);
  EXPECT_EQ(error_of(folders(kArchiveMembersMax) + one_file), "");
  EXPECT_EQ(error_of(folders(kArchiveMembersMax + 1) + one_file), error_type::kTooLarge);
  const std::string counts("\x08\x0d", 2);
  EXPECT_EQ(error_of(folders(2) + counts + seven_zip_number(kArchiveMembersMax) + std::string("\x00\x00", 2) + one_file), "");
  EXPECT_EQ(error_of(folders(2) + counts + seven_zip_number(kArchiveMembersMax) + std::string("\x01\x00", 2) + one_file),
            error_type::kTooLarge);
  EXPECT_EQ(error_of(std::string("\x01\x05", 2) + seven_zip_number(1'000'000)), "");
  EXPECT_EQ(error_of(std::string("\x01\x05", 2) + seven_zip_number(1'000'001)), error_type::kTooLarge);
  EXPECT_EQ(error_of(folders(2)), error_type::kBadArchive);
}

// Prevents a crash inside libarchive where it recognises nothing: an error page, or half a download, that is named like a tar.
TEST(Archives, WhatIsNoTarIsABrokenArchive) {
  Context context;
  for (const std::string& bytes : {std::string("<html>error 403</html>"), std::string("id,x\n1,2\n"), std::string(300, 'x')}) {
    const auto blob = make_memory_blob(bytes);
    auto pass = open_archive(ArchiveKind::kTar, *blob, context);
    const auto member = pass ? (*pass)->next(context) : std::unexpected(pass.error());
    ASSERT_FALSE(member);
    EXPECT_EQ(member.error().type, error_type::kBadArchive);
  }
}

// Prevents members that are silently left out because the end record counts with 16 bits.
TEST(Archives, AZipHoldsWhatItsDirectoryHolds) {
  std::string zip = pack("zip", {{"a", "1"}, {"b", "2"}, {"c", "3"}}, "zip:compression=store");
  const size_t end = zip.rfind("PK\x05\x06");
  ASSERT_NE(end, std::string::npos);
  zip[end + 8] = zip[end + 10] = 1;
  EXPECT_THAT(unpack(zip), ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("c", "3")));
}

// Prevents text, and files whose names lie, from being taken for archives.
TEST(ArchiveKind, IsToldByContent) {
  EXPECT_EQ(archive_kind_of("id,name\n1,PK\n", "x.zip"), std::nullopt);
  EXPECT_EQ(archive_kind_of(std::string("PK\x03\x04", 4), "book.xlsx"), std::nullopt);
  EXPECT_EQ(archive_kind_of(std::string(512, '\0'), "x.csv"), std::nullopt);
  EXPECT_EQ(archive_kind_of("id,x\n1,2\n", "report.tar.csv"), std::nullopt);
  EXPECT_EQ(archive_kind_of(std::string(512, '\0'), "dir/x.tar.gz"), ArchiveKind::kTar);
  EXPECT_EQ(archive_kind_of(pack("zip", {}), "x"), ArchiveKind::kZip);
}

// Prevents one request per small member where neighbours can come together, and wrong bytes where windows overlap.
TEST(WindowBlob, ReadsNeighboursTogether) {
  class CountingBlob final : public Blob {
   public:
    explicit CountingBlob(std::string bytes) : bytes_(make_memory_blob(std::move(bytes))) {}
    int64_t size_bytes() const override { return bytes_->size_bytes(); }
    Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
      ++opened;
      return bytes_->open(range, context);
    }
    int opened = 0;

   private:
    const std::unique_ptr<Blob> bytes_;
  };
  Context context;
  std::string bytes;
  for (int i = 0; i < 400'000; ++i) bytes += std::to_string(i) + ",";
  CountingBlob inner(bytes);
  WindowBlob window(inner);
  for (int64_t at = 0; at + 1000 < std::ssize(bytes); at += 1000) {
    ASSERT_EQ(read_exactly(window, at, 1000, context).value(), bytes.substr(static_cast<size_t>(at), 1000));
  }
  EXPECT_LE(inner.opened, std::ssize(bytes) / (kWindowBytes / 2) + 1);
  EXPECT_EQ(read_exactly(window, 5, kWindowBytes, context).value(), bytes.substr(5, kWindowBytes));
}

// Prevents bytes that come once from being given twice wrongly: from their beginning again, on from where reading stands, or an error.
TEST(OnceBlob, CanBeReopenedWithinItsHead) {
  Context context;
  std::string bytes(kReopenBytesMax + kMiB, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 / 3);
  const auto whole = make_memory_blob(bytes);
  const auto once = make_once_blob(whole->open({}, context).value(), std::ssize(bytes));
  EXPECT_EQ(read_exactly(*once, 0, 100, context).value(), bytes.substr(0, 100));
  EXPECT_EQ(read_exactly(*once, 0, 5000, context).value(), bytes.substr(0, 5000));
  EXPECT_EQ(all_of(*once), bytes);
  EXPECT_EQ(read_exactly(*once, 10, 100, context).value(), bytes.substr(10, 100));
  EXPECT_EQ(read_exactly(*once, kReopenBytesMax, 100, context).error().type, error_type::kTooLarge);
}

}  // namespace
}  // namespace sluice
